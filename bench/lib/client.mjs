/** One client on a raw socket: no WebSocket library, no stream machinery, one read buffer for all of them. */
import net from 'node:net';
import { clearTimeout } from 'node:timers';
import { clientFrame, FrameCounter, PONG } from './frames.mjs';

const SHARED = Buffer.allocUnsafeSlow(1 << 18);
const KEY = 'dGhlIHNhbXBsZSBub25jZQ==';

/** How long a handshake may take. */
const OPEN_MS = 60_000;

export class Client {
  frames = new FrameCounter();
  received = 0;
  /** Called with the number of data frames that came. */
  onFrames = undefined;
  onClose = undefined;
  head = '';
  isOpen = false;

  /** Resolves when the 101 came and the server said all of its `greeting` frames. */
  open({ port, path, greeting = 0, hello, source }) {
    this.greeting = greeting;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`no handshake on ${path}`)), OPEN_MS);
      this.opened = () => {
        clearTimeout(timer);
        this.opened = undefined;
        resolve(this);
      };
      const onread = { buffer: SHARED, callback: (size, buffer) => this.read(size, buffer) };
      this.socket = net.connect({ port, host: '127.0.0.1', localAddress: source, noDelay: true, onread });
      this.socket.on('error', (error) => reject(error));
      this.socket.on('close', () => {
        reject(new Error(`closed: ${this.head.split('\r\n')[0]}`));
        this.onClose?.();
      });
      this.hello = hello;
      this.socket.write(
        `GET ${path} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n` +
          `Sec-WebSocket-Key: ${KEY}\r\nSec-WebSocket-Version: 13\r\n\r\n`,
      );
    });
  }

  read(size, buffer) {
    if (!this.isOpen) return this.readHead(size, buffer);
    const { frames } = this;
    const pings = frames.pings;
    const found = frames.count(buffer, size);
    if (frames.pings !== pings) this.socket.write(PONG);
    if (found > 0) {
      this.received += found;
      if (this.opened) this.greet();
      else this.onFrames?.(found);
    }
    return true;
  }

  readHead(size, buffer) {
    this.head += buffer.latin1Slice(0, size);
    const end = this.head.indexOf('\r\n\r\n');
    if (end < 0) return true;
    if (!this.head.startsWith('HTTP/1.1 101')) {
      this.socket.destroy();
      return true;
    }
    const rest = Buffer.from(this.head.slice(end + 4), 'latin1');
    this.head = '';
    this.isOpen = true;
    if (this.hello) this.socket.write(clientFrame(this.hello));
    if (rest.length > 0) this.received += this.frames.count(rest, rest.length);
    this.greet();
    return true;
  }

  greet() {
    if (this.received >= this.greeting) this.opened?.();
  }

  close() {
    return new Promise((resolve) => {
      if (this.socket.destroyed) return resolve();
      this.onClose = resolve;
      // A reset leaves no TIME_WAIT behind: tens of thousands of them make the next connections slow for the kernel
      this.socket.resetAndDestroy();
    });
  }
}
