/** Clients as raw as the fuzzer needs them: they lie, stop halfway, do not read, and come back. */
import { once } from 'node:events';
import { request } from 'node:http';
import { connect } from 'node:net';
import { setImmediate } from 'node:timers';

const KEY = 'AAAAAAAAAAAAAAAAAAAAAA==';

/** What a client has received, one list for each connection that it had. */
export class Inbox {
  parts = [{ texts: [] }];
  /** The code of the end, as the server said it. */
  code = undefined;

  /** A new connection in place of the last one. */
  renew(id) {
    if (this.parts.at(-1).id !== undefined) this.parts.push({ texts: [] });
    this.parts.at(-1).id = id;
  }

  take(text) {
    this.parts.at(-1).texts.push(text);
  }
}

function frame(opcode, payload) {
  const { length } = payload;
  const head = length < 126 ? [0x80 | length] : length < 65_536 ? [0xfe, length >> 8, length & 255] : undefined;
  const long = Buffer.alloc(9, 0xff);
  if (!head) long.writeBigUInt64BE(BigInt(length), 1);
  // A mask of zeros leaves the payload as it is
  return Buffer.concat([Buffer.from([0x80 | opcode]), head ? Buffer.from(head) : long, Buffer.alloc(4), payload]);
}

export class WebSocketWire {
  inbox = new Inbox();
  isOpen = false;
  isOver = false;
  bytes = Buffer.alloc(0);

  constructor(port, path, { answersPings }) {
    this.answersPings = answersPings;
    this.socket = connect(port, '127.0.0.1');
    this.socket.on('error', () => {});
    this.socket.on('data', (chunk) => this.read(chunk));
    this.socket.once('close', () => (this.isOver = true));
    this.socket.write(
      `GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n` +
        `Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${KEY}\r\n\r\n`,
    );
  }

  read(chunk) {
    this.bytes = this.bytes.length > 0 ? Buffer.concat([this.bytes, chunk]) : chunk;
    if (!this.isOpen) this.readHead();
    if (this.isOpen) while (this.readFrame());
  }

  readHead() {
    const end = this.bytes.indexOf('\r\n\r\n');
    if (end < 0) return;
    if (!this.bytes.subarray(0, 12).equals(Buffer.from('HTTP/1.1 101'))) {
      this.isRefused = true;
      this.socket.destroy();
      return;
    }
    this.bytes = this.bytes.subarray(end + 4);
    this.isOpen = true;
  }

  readFrame() {
    const { bytes } = this;
    if (bytes.length < 2) return false;
    const short = bytes[1] & 127;
    const start = short < 126 ? 2 : short === 126 ? 4 : 10;
    if (bytes.length < start) return false;
    const length = short < 126 ? short : short === 126 ? bytes.readUInt16BE(2) : Number(bytes.readBigUInt64BE(2));
    if (bytes.length < start + length) return false;
    this.bytes = bytes.subarray(start + length);
    this.take(bytes[0] & 15, bytes.subarray(start, start + length));
    return true;
  }

  take(opcode, payload) {
    if (opcode < 3) this.inbox.take(payload.toString());
    else if (opcode === 9 && this.answersPings) this.write(frame(10, payload));
    else if (opcode === 8) {
      this.inbox.code = payload.length > 1 ? payload.readUInt16BE(0) : 1005;
      this.write(frame(8, payload));
    }
  }

  write(bytes) {
    if (this.socket.writable) this.socket.write(bytes);
  }

  say(...texts) {
    this.write(Buffer.concat(texts.map((text) => frame(1, Buffer.from(text)))));
  }

  ping() {
    this.write(frame(9, Buffer.from('?')));
  }

  half(text) {
    this.write(frame(1, Buffer.from(text)).subarray(0, -3));
  }

  posts(texts) {
    for (const text of texts) this.say(text);
  }

  deaf(isDeaf) {
    if (isDeaf) this.socket.pause();
    else this.socket.resume();
  }

  reconnect() {}

  leave(how) {
    if (how === 'fin') this.socket.end();
    else if (how === 'rst') this.socket.resetAndDestroy();
    else if (how === 'close') this.write(frame(8, Buffer.from([0x03, 0xe8])));
    else this.socket.destroy();
  }

  async gone() {
    this.socket.destroy();
    if (!this.socket.closed) await once(this.socket, 'close');
  }
}

/** A client of SSE or polling: a `GET` after the other, and `POST`s beside it. */
class RequestWire {
  inbox = new Inbox();
  isOpen = false;
  isOver = false;
  token = '';
  cookie = undefined;
  /** The requests that are under way. */
  running = new Set();
  /** Messages leave one after the other. */
  queue = Promise.resolve();

  constructor(port, path) {
    this.port = port;
    this.path = path;
  }

  headers(more) {
    const cookie = this.cookie && { cookie: this.cookie };
    return { ...cookie, ...(this.token && { 'x-realtime-token': this.token }), ...more };
  }

  /** @returns the response; undefined if there was none */
  ask(method, path, headers, body, isHalf) {
    return new Promise((resolve) => {
      const length = body === undefined ? {} : { 'content-length': Buffer.byteLength(body) };
      const options = { port: this.port, host: '127.0.0.1', agent: false, method, path };
      const asked = request({ ...options, headers: { ...this.headers(headers), ...length } }, resolve);
      this.running.add(asked);
      asked.on('error', () => resolve(undefined));
      asked.on('close', () => {
        this.running.delete(asked);
        resolve(undefined);
      });
      if (isHalf) asked.write(body.slice(0, -3));
      else asked.end(body);
    });
  }

  keepCookie(response) {
    const [cookie] = response.headers['set-cookie'] ?? [];
    if (cookie) this.cookie = cookie.split(';')[0];
  }

  async post(body, type = 'text/plain', isHalf = false) {
    const response = await this.ask('POST', this.path, { 'content-type': type }, body, isHalf);
    response?.on('error', () => {}).resume();
    return response?.statusCode;
  }

  say(...texts) {
    const isBatch = texts.length > 1;
    const body = isBatch ? JSON.stringify(texts) : texts[0];
    this.queue = this.queue.then(() => this.isOver || this.post(body, isBatch ? 'application/json' : undefined));
  }

  ping() {}

  half(text) {
    void this.post(text, 'text/plain', true);
  }

  posts(texts) {
    for (const text of texts) void this.post(text);
  }

  deaf(isDeaf) {
    this.isDeaf = isDeaf;
    if (isDeaf) this.response?.pause();
    else this.response?.resume();
  }

  leave(how) {
    this.isOver = true;
    if (how === 'close' && this.token) return void this.ask('DELETE', this.path);
    for (const { socket } of this.running) {
      if (how === 'fin') socket?.end();
      else if (how === 'rst') socket?.resetAndDestroy();
      else socket?.destroy();
    }
  }

  async gone() {
    this.isOver = true;
    for (const asked of this.running) asked.destroy();
    while (this.running.size > 0) await new Promise(setImmediate);
  }
}

export class SseWire extends RequestWire {
  constructor(port, path) {
    super(port, path);
    void this.open();
  }

  async open() {
    const headers = { accept: 'text/event-stream', ...(this.lastId && { 'last-event-id': this.lastId }) };
    this.response = undefined;
    const response = await this.ask('GET', this.path, headers);
    if (!response) return;
    this.keepCookie(response);
    response.on('error', () => {});
    if (response.statusCode !== 200) {
      response.resume();
      this.isRefused = true;
      return;
    }
    this.response = response;
    this.read(response);
    if (this.isDeaf) response.pause();
  }

  read(response) {
    let text = '';
    response.setEncoding('utf8');
    response.on('data', (chunk) => {
      const blocks = (text + chunk).split('\n\n');
      text = blocks.pop();
      // What a stream that was given up still had is not received: the next one repeats it
      for (const block of blocks) if (this.response === response) this.take(block);
    });
    response.on('close', () => {
      if (this.response === response && !this.isOver && this.inbox.code === undefined) void this.open();
    });
  }

  take(block) {
    const fields = new Map(block.split('\n').map((line) => line.split(/: ?(.*)/s, 2)));
    if (fields.has('id')) this.lastId = fields.get('id');
    const data = fields.get('data');
    if (data === undefined) return;
    const event = fields.get('event');
    if (event === 'open') this.begin(JSON.parse(data));
    else if (event === 'close') this.inbox.code = JSON.parse(data).code;
    else this.inbox.take(event === 'binary' ? Buffer.from(data, 'base64').toString() : data);
  }

  begin({ id, token, recovered }) {
    this.isOpen = true;
    this.token = token;
    if (!recovered) this.inbox.renew(id);
  }

  reconnect() {
    const { response } = this;
    if (!response) return;
    this.response = undefined;
    response.destroy();
    void this.open();
  }
}

export class PollingWire extends RequestWire {
  position = 0;

  constructor(port, path) {
    super(port, path);
    void this.loop();
  }

  async loop() {
    while (!this.isOver && this.inbox.code === undefined && !this.isRefused) {
      const answer = await this.poll();
      if (answer) this.take(answer);
      else await new Promise(setImmediate);
    }
  }

  async poll() {
    const path = `${this.path}&transport=polling&position=${this.position}`;
    const response = await this.ask('GET', path);
    if (!response) return void (this.isRefused = this.token === '');
    this.keepCookie(response);
    this.response = response;
    let text = '';
    response.setEncoding('utf8').on('data', (chunk) => (text += chunk));
    if (this.isDeaf) response.pause();
    await new Promise((resolve) => response.on('error', () => {}).once('close', resolve));
    if (response.complete && response.statusCode !== 200 && response.statusCode !== 409) this.isRefused = true;
    return response.complete && response.statusCode === 200 ? text : undefined;
  }

  take(answer) {
    if (!answer.startsWith('{')) return void (this.isRefused = true);
    const { id, token, position, messages, close } = JSON.parse(answer);
    if (token) {
      this.token = token;
      this.isOpen = true;
      this.inbox.renew(id);
    }
    this.position = position;
    for (const item of messages)
      this.inbox.take(typeof item === 'string' ? item : Buffer.from(item.binary, 'base64').toString());
    if (close) this.inbox.code = close.code;
  }

  /** Loses the answer that is under way. */
  reconnect() {
    for (const asked of this.running) if (asked.method === 'GET') asked.destroy();
  }
}

export const WIRES = { websocket: WebSocketWire, sse: SseWire, polling: PollingWire };
