/**
 * Clients of the study `relays` over three transports. Each request goes to a node at random. A client checks that it gets
 * every push of its room once and in order for as long as it has a connection, that what it says is answered once, and
 * that nothing hangs.
 */
import { Agent, request } from 'node:http';
import { clearTimeout } from 'node:timers';
import { setTimeout as sleep } from 'node:timers/promises';
import { WebSocket } from 'ws';

/** A request that is not answered after so many milliseconds, not counting the time that it may be held, hangs. */
const PATIENCE_MS = 60_000;

export const agent = new Agent({ keepAlive: true, maxSockets: Infinity });

class SoakClient {
  /** @param world has `port()`, `fault(text)`, `count(what)` and `holdMs` */
  constructor(world, name, room) {
    Object.assign(this, { world, name, room, isStopped: false, said: 0, id: undefined });
  }

  get path() {
    return `/soak?room=${this.room}`;
  }

  /** Connects, again and again. @param afterMs when it begins */
  async run(afterMs) {
    await sleep(afterMs);
    for (let tries = 0; !this.isStopped; tries++) {
      const { id } = this;
      await this.live().catch(() => this.world.count('failed'));
      if (id !== this.id) tries = 0;
      if (!this.isStopped) await sleep(Math.random() * Math.min(10_000, 500 * 2 ** tries));
    }
  }

  /** Its connection has this id from now on. */
  became(id) {
    if (id === this.id) return;
    this.world.count(`${this.transport} connections`);
    Object.assign(this, { id, pushed: undefined, echoed: 0 });
  }

  hear(text) {
    const [, kind, digits] = /^(push|echo) (\d+)$/.exec(text) ?? [];
    const n = Number(digits);
    this.world.count(`${this.transport} ${kind}`);
    if (kind === 'push') {
      if (this.pushed !== undefined && n !== this.pushed + 1) this.fault(`heard push ${n} after ${this.pushed}`);
      this.pushed = n;
    } else {
      if (n <= this.echoed) this.fault(`was answered ${n} after ${this.echoed}`);
      this.echoed = n;
    }
  }

  fault(text) {
    this.world.fault(`${this.name} (${this.transport}, ${this.id}) ${text}`);
  }
}

export class SocketClient extends SoakClient {
  transport = 'websocket';

  live() {
    const port = this.world.port();
    const socket = (this.socket = new WebSocket(`ws://127.0.0.1:${port}${this.path}`, { perMessageDeflate: false }));
    this.became(undefined);
    return new Promise((resolve) => {
      socket.on('open', () => this.became(`${port} ${++this.world.sockets}`));
      socket.on('message', (data) => this.hear(data.toString()));
      socket.on('error', () => {});
      socket.on('close', resolve);
    });
  }

  say() {
    if (this.socket?.readyState === 1) this.socket.send(String(++this.said));
  }

  leave(isClean) {
    this.isStopped = true;
    if (isClean) this.socket?.close(1000);
    else this.socket?.terminate();
  }
}

class RequestClient extends SoakClient {
  token = undefined;
  isPosting = false;

  /** @returns the response, or undefined when there is none. @param read gets it; default: its whole body is kept */
  ask(method, path, headers = {}, { body, holdMs = 0, read } = {}) {
    return new Promise((resolve) => {
      const own = { port: this.world.port(), host: '127.0.0.1', agent, method, path };
      let timer;
      const done = (answer) => [clearTimeout(timer), resolve(answer)];
      const sent = request({ ...own, headers }, (answer) => {
        answer.setEncoding('utf8');
        answer.on('error', () => {}).on('close', () => done(answer.complete ? answer : undefined));
        if (read && answer.statusCode === 200) {
          clearTimeout(timer);
          return answer.on('data', read);
        }
        answer.text = '';
        answer.on('data', (part) => (answer.text += part));
      });
      timer = setTimeout(() => {
        this.fault(`waited ${holdMs + PATIENCE_MS} ms for ${method} ${path}`);
        sent.destroy();
      }, holdMs + PATIENCE_MS);
      this.current = method === 'GET' ? sent : this.current;
      sent.on('error', () => done()).end(body);
    });
  }

  /** Sends one message until it is taken, or its connection is gone. */
  async say() {
    if (this.isPosting || !this.token) return;
    this.isPosting = true;
    const { token } = this;
    const body = String(++this.said);
    const headers = { 'content-type': 'text/plain', 'x-realtime-token': token, 'x-realtime-message-id': body };
    for (let tries = 0; this.token === token && !this.isStopped; tries++) {
      const { statusCode } = (await this.ask('POST', this.path, headers, { body })) ?? {};
      this.world.count(`post ${statusCode ?? 'cut'}`);
      if (statusCode === 204 || statusCode === 404) break;
      await sleep(Math.min(1000, 50 * 2 ** tries) * Math.random());
    }
    this.isPosting = false;
  }

  async leave(isClean) {
    this.isStopped = true;
    const { token } = this;
    if (!isClean || !token) return this.current?.destroy();
    const { statusCode } = (await this.ask('DELETE', this.path, { 'x-realtime-token': token })) ?? {};
    this.world.count(`delete ${statusCode ?? 'cut'}`);
    if (statusCode !== 204) this.current?.destroy();
  }
}

export class PollingClient extends RequestClient {
  transport = 'polling';
  position = 0;

  async live() {
    const headers = this.token ? { 'x-realtime-token': this.token } : {};
    const path = `${this.path}&transport=polling&position=${this.position}`;
    const answer = await this.ask('GET', path, headers, { holdMs: this.world.holdMs });
    this.world.count(`poll ${answer?.statusCode ?? 'cut'}`);
    if (answer?.statusCode !== 200) return;
    const { id, token, position, messages, close } = JSON.parse(answer.text);
    if (token) {
      this.became(id);
      this.token = token;
    }
    this.position = position;
    for (const text of messages) this.hear(text);
    if (close) Object.assign(this, { token: undefined, position: 0 });
    else if (!this.isStopped) return this.live();
  }
}

export class StreamClient extends RequestClient {
  transport = 'sse';
  last = undefined;

  async live() {
    let text = '';
    const read = (part) => {
      const blocks = (text + part).split('\n\n');
      text = blocks.pop();
      for (const block of blocks) this.take(block);
    };
    const headers = { accept: 'text/event-stream', ...(this.last && { 'last-event-id': this.last }) };
    const answer = await this.ask('GET', this.path, headers, { read });
    this.world.count(`stream ${answer?.statusCode ?? 'cut'}`);
    if (answer?.statusCode === 204) this.last = undefined;
  }

  take(block) {
    const fields = Object.fromEntries(block.split('\n').map((line) => line.split(/: ?(.*)/s)));
    if (fields.id) this.last = fields.id;
    if (fields.event === 'open') {
      const { id, token } = JSON.parse(fields.data);
      this.became(id);
      this.token = token;
    } else if (fields.event === 'close') Object.assign(this, { token: undefined, last: undefined });
    else if (fields.event === undefined && fields.data) this.hear(fields.data);
  }
}
