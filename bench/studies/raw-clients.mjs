/** Many cheap WebSocket clients in one process, on bare sockets: what the soak and the deploy benchmarks load with. */
import { once } from 'node:events';
import { connect } from 'node:net';

const HANDSHAKE =
  'GET /ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n' +
  'Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n';

/** A masked frame; a mask of zeros leaves the payload as it is. Below 126 bytes. */
export function frame(opcode, payload = '') {
  const body = Buffer.from(payload);
  return Buffer.concat([Buffer.from([0x80 | opcode, 0x80 | body.length, 0, 0, 0, 0]), body]);
}

export class RawClient {
  /** Text messages received. */
  received = 0;
  /** The code of the server's close frame; 1006 when the connection ended without one. */
  code = 1006;
  reason = '';
  /** Why there is no connection, where there is none. */
  status = 0;
  rest = Buffer.alloc(0);

  constructor(port) {
    this.socket = connect(port, '127.0.0.1');
    this.socket.setNoDelay();
    this.socket.on('error', () => {});
    this.socket.on('data', (chunk) => this.read(chunk));
    this.closed = once(this.socket, 'close').catch(() => {});
    this.opened = new Promise((resolve) => {
      this.open = resolve;
      void this.closed.then(() => resolve(false));
    });
    this.socket.write(HANDSHAKE);
  }

  read(chunk) {
    this.rest = this.rest.length === 0 ? chunk : Buffer.concat([this.rest, chunk]);
    if (this.status === 0) {
      const end = this.rest.indexOf('\r\n\r\n');
      if (end < 0) return;
      this.status = Number(this.rest.toString('latin1', 9, 12));
      this.rest = this.rest.subarray(end + 4);
      this.open(this.status === 101);
    }
    while (this.rest.length >= 2) {
      const short = this.rest[1] & 0x7f;
      const start = short === 126 ? 4 : 2;
      if (this.rest.length < start) return;
      const length = short === 126 ? this.rest.readUInt16BE(2) : short;
      if (this.rest.length < start + length) return;
      this.frame(this.rest[0] & 0x0f, this.rest.subarray(start, start + length));
      this.rest = this.rest.subarray(start + length);
    }
  }

  frame(opcode, payload) {
    if (opcode === 1) this.received++;
    else if (opcode === 9) this.socket.write(frame(10, payload));
    else if (opcode === 8) {
      this.code = payload.length >= 2 ? payload.readUInt16BE(0) : 1005;
      this.reason = payload.toString('utf8', 2);
      this.socket.write(frame(8, payload.subarray(0, 2)));
    }
  }

  send(text) {
    this.socket.write(frame(1, text));
  }

  ping() {
    this.socket.write(frame(9));
  }

  /** Ends as a client that behaves, or vanishes. */
  end(isClean) {
    if (isClean) this.socket.write(frame(8, Buffer.from([3, 232])));
    else this.socket.resetAndDestroy();
  }
}
