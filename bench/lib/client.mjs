/** One client on a raw socket: no WebSocket library, no stream machinery, one read buffer for all of them. */
import net from 'node:net';
import { performance } from 'node:perf_hooks';
import tls from 'node:tls';
import { clearTimeout } from 'node:timers';
import { CLOSE, clientFrame, FrameCounter, PING, PONG } from './frames.mjs';

const SHARED = Buffer.allocUnsafeSlow(1 << 18);
const KEY = 'dGhlIHNhbXBsZSBub25jZQ==';
const EMPTY_PING = clientFrame('', { opcode: PING });
const EMPTY_PONG = clientFrame('', { opcode: PONG });

/** How long a handshake may take. */
const OPEN_MS = 60_000;

/** Every process has addresses of its own, because one address has 28,000 ports for all servers together. */
const NETWORK = `127.${1 + (process.pid % 250)}.0`;

export class Client {
  frames = new FrameCounter((opcode, payload) => this.control(opcode, payload));
  /** How many messages the client has received. */
  received = 0;
  /** Called with the number of messages that a chunk completed. */
  onFrames = undefined;
  /** The HTTP status of the answer to the handshake; 0 until there is one. */
  status = 0;
  /** The code of the server's close frame; 1006 when the connection ended without one. */
  code = 1006;
  /** The reason in the server's close frame. */
  reason = '';
  /** When its handshake began, in milliseconds of `performance.now()`. */
  startedAt = 0;
  head = '';
  isClosing = false;

  /**
   * @param args.headers lines of the handshake besides those that it needs, each with its CRLF
   * @param args.hello a message that is sent right after the 101
   * @param args.greeting how many messages the server sends before the connection can be used
   * @param args.isSecure opens it over TLS; the certificate of the server is not checked
   * @param args.source the local address; the system chooses one by default
   * @returns a promise of this client, rejected when the server refuses the handshake
   */
  open({ port, path, headers = '', hello, greeting = 0, isSecure = false, source }) {
    Object.assign(this, { hello, greeting, startedAt: performance.now() });
    this.socket = this.connect({ port, host: '127.0.0.1', localAddress: source, noDelay: true }, isSecure);
    this.closed = new Promise((resolve) => this.socket.on('close', resolve));
    this.socket.write(
      `GET ${path} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n` +
        `Sec-WebSocket-Key: ${KEY}\r\nSec-WebSocket-Version: 13\r\n${headers}\r\n`,
    );
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`No handshake on ${path} within ${OPEN_MS} ms`)), OPEN_MS);
      this.opened = () => {
        clearTimeout(timer);
        this.opened = undefined;
        resolve(this);
      };
      this.socket.on('error', reject);
      void this.closed.then(() => {
        clearTimeout(timer);
        reject(new Error(`No connection on ${path}: ${this.head.split('\r\n')[0] || 'the server closed it'}`));
      });
    });
  }

  connect(address, isSecure) {
    if (isSecure) {
      const socket = tls.connect({ ...address, rejectUnauthorized: false });
      return socket.on('data', (chunk) => this.read(chunk.length, chunk));
    }
    const onread = { buffer: SHARED, callback: (size, buffer) => this.read(size, buffer) };
    return net.connect({ ...address, onread });
  }

  read(size, buffer) {
    if (this.status === 101) this.count(buffer, size);
    else this.readHead(size, buffer);
    return true;
  }

  count(buffer, size) {
    const found = this.frames.count(buffer, size);
    if (found === 0) return;
    this.received += found;
    if (this.opened) this.greet();
    else this.onFrames?.(found);
  }

  readHead(size, buffer) {
    this.head += buffer.latin1Slice(0, size);
    const end = this.head.indexOf('\r\n\r\n');
    if (end < 0) return;
    this.status = Number(this.head.slice(9, 12));
    if (this.status !== 101) {
      this.socket.destroy();
      return;
    }
    const rest = Buffer.from(this.head.slice(end + 4), 'latin1');
    this.head = '';
    if (this.hello) this.send(this.hello);
    this.received += this.frames.count(rest, rest.length);
    this.greet();
  }

  greet() {
    if (this.received >= this.greeting) this.opened?.();
  }

  control(opcode, payload) {
    if (opcode === PING) this.socket.write(EMPTY_PONG);
    if (opcode !== CLOSE) return;
    this.code = payload.length >= 2 ? payload.readUInt16BE(0) : 1005;
    this.reason = payload.toString('utf8', 2);
    this.sendClose(payload.subarray(0, 2));
  }

  send(text) {
    this.socket.write(clientFrame(text));
  }

  ping() {
    this.socket.write(EMPTY_PING);
  }

  sendClose(payload) {
    if (this.isClosing) return;
    this.isClosing = true;
    this.socket.write(clientFrame(payload, { opcode: CLOSE }));
  }

  /** Ends the connection with a close frame of code 1000. */
  leave() {
    this.sendClose(Buffer.from([0x03, 0xe8]));
    return this.closed;
  }

  /** Sends a message. @returns a promise that resolves with the next message that the client receives */
  ask(text) {
    this.send(text);
    return new Promise((resolve) => (this.onFrames = resolve));
  }

  /** Ends the connection with a reset, which leaves no TIME_WAIT: tens of thousands of them slow the next connections. */
  reset() {
    this.socket.resetAndDestroy();
    return this.closed;
  }
}

/**
 * Opens `count` clients, a few at a time.
 *
 * @param args those of `Client.open()`; `{i}` in the path becomes the number of the client
 * @param args.concurrency handshakes under way at the same time
 * @param use is called with every client as soon as it is open; the next one is opened when it has returned or resolved
 */
export async function openClients(count, { path, concurrency = 32, ...args }, use) {
  let next = 0;
  const worker = async () => {
    while (next < count) {
      const index = next++;
      const source = `${NETWORK}.${2 + Math.floor(index / 10_000)}`;
      await use(await new Client().open({ path: path.replace('{i}', index), source, ...args }));
    }
  };
  await Promise.all(Array.from({ length: Math.min(concurrency, count) }, worker));
}
