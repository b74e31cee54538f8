/** The two readers of WebSockets as functions of bytes: what is fed to them becomes events as in cases.mjs. */
import { setImmediate } from 'node:timers';
import { PerMessageDeflate, Receiver as WsReceiver } from 'ws';
import { described } from './cases.mjs';

/**
 * What all readers have in common: the events so far, and whether the last one ends the connection.
 */
class Reader {
  events = [];
  isOver = false;

  end(...event) {
    this.events.push(event);
    this.isOver = true;
  }

  message(data, isBinary) {
    this.events.push([isBinary ? 'binary' : 'text', described(data)]);
  }
}

/** The reader of connections without compression. */
export class PlainReader extends Reader {
  isPaused = false;

  /** @param modules `Receiver` of receiver.ts, and the memory of read-buffer.ts */
  constructor({ Receiver, READ, HEADROOM }, bounds) {
    super();
    this.memory = { READ, HEADROOM };
    this.receiver = new Receiver(this, bounds);
  }

  feed(chunk) {
    const { READ, HEADROOM } = this.memory;
    for (let at = 0; at < chunk.length; at += READ.length) {
      const length = chunk.copy(READ, 0, at);
      this.receiver.read(HEADROOM + length);
    }
  }

  received(message) {
    this.message(message.bytes(), message.isBinary);
  }

  pinged(payload) {
    this.events.push(['ping', described(payload)]);
  }

  ponged() {
    this.events.push(['pong']);
  }

  closing(code, reason) {
    this.end('close', code, reason);
  }

  broke({ code }) {
    this.end('fail', code);
    return true;
  }
}

/** The reader of connections with compression: that of ws. */
export class WsReader extends Reader {
  /** @param modules `brokenRule` of broken-rule.ts */
  constructor({ brokenRule }, { maxMessageBytes: maxPayload, maxFragments, maxBufferedChunks }, isCompressed = true) {
    super();
    const extensions = isCompressed ? { 'permessage-deflate': deflater(maxPayload) } : {};
    this.receiver = new WsReceiver({ isServer: true, maxPayload, maxFragments, maxBufferedChunks, extensions })
      .on('message', (data, isBinary) => this.message(data, isBinary))
      .on('ping', (payload) => this.events.push(['ping', described(payload)]))
      .on('pong', () => this.events.push(['pong']))
      .on('conclude', (code, reason) => this.end('close', code, reason.toString()))
      .on('error', (error) => this.fail(brokenRule(error)));
  }

  fail({ code }) {
    if (!this.isOver) this.end('fail', code);
  }

  /** @returns a promise for when the chunk is handled: ws inflates in the background */
  feed(chunk) {
    if (this.isOver) return undefined;
    // ws unmasks where the bytes are
    return new Promise((resolve) => this.receiver.write(Buffer.from(chunk), () => setImmediate(resolve)));
  }
}

function deflater(maxPayload) {
  const deflate = new PerMessageDeflate({ isServer: true, maxPayload, clientNoContextTakeover: true });
  deflate.accept([{}]);
  return deflate;
}
