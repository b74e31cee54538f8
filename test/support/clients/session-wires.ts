/** The wires of the reference client: WebSocket, SSE and polling, as docs/recovery.md describes them. */
import { Agent, get, type IncomingMessage, request } from 'node:http';
import { WebSocket } from 'ws';
import { EventSourceParser } from './event-source-parser.js';
import type { ClientWire, OpenWire, WireEvents } from './session-client.js';

export type WireName = 'websocket' | 'sse' | 'polling';

type Headers = Readonly<Record<string, string>>;

/** Where a wire is opened, and what it says first. */
export interface WireTarget {
  /** For example `http://127.0.0.1:3000/ws`; a function is asked for each request, which may go to any node. */
  readonly url: string | (() => string);
  readonly headers?: Headers;
  /** The credential for a gateway with `onAuthenticate`: the first message. Default: none. */
  readonly credential?: string;
}

/** @returns opens wires of this transport */
export function wireOf(transport: WireName, target: WireTarget): OpenWire {
  if (transport === 'websocket') return (hello, events) => overWebSocket(target, hello, events);
  const Wire = transport === 'sse' ? SseWire : PollingWire;
  return (hello, events) => new Wire(target, hello, events);
}

function urlOf({ url }: WireTarget): string {
  return typeof url === 'string' ? url : url();
}

function overWebSocket(target: WireTarget, hello: () => string, events: WireEvents): ClientWire {
  const { headers, credential } = target;
  const protocols = ['realtime.v1', `hello.${hello()}`];
  const socket = new WebSocket(urlOf(target).replace(/^http/, 'ws'), protocols, { headers, perMessageDeflate: false });
  if (credential !== undefined) socket.on('open', () => socket.send(credential));
  socket.on('message', (data: Buffer) => events.message(data.toString()));
  socket.on('close', (code, reason) => events.closed(code, reason.toString()));
  socket.on('error', () => {});
  return {
    send: (texts) => texts.forEach((text) => socket.readyState === 1 && socket.send(text)),
    close: (code) => socket.close(code),
    cut: () => socket.terminate(),
  };
}

/** The `POST`s of a wire: one at a time, in order. */
abstract class RequestWire implements ClientWire {
  protected readonly agent = new Agent({ keepAlive: true });
  protected token = '';
  private waiting: { readonly texts: readonly string[]; readonly first: number }[] = [];
  private isPosting = false;
  protected hasEnded = false;

  protected readonly headers: Headers;

  constructor(
    private readonly target: WireTarget,
    protected readonly hello: () => string,
    private readonly events: WireEvents,
  ) {
    this.headers = { ...target.headers };
  }

  protected get url(): string {
    return urlOf(this.target);
  }

  send(texts: readonly string[], first: number): void {
    this.waiting.push({ texts, first });
    if (!this.isPosting) this.post();
  }

  /** There is no frame for a code: 1000 ends the connection, and any other code only leaves. */
  close(code: number): void {
    if (code !== 1000) return this.ended(code, '');
    this.upstream('DELETE', {}, undefined, () => this.ended(1000, ''));
  }

  cut(): void {
    this.hasEnded = true;
    this.agent.destroy();
  }

  /** The server has told the token: the credential is sent, if there is one. It has no number. */
  protected opened(token: string): void {
    this.token = token;
    const { credential } = this.target;
    if (credential === undefined) return;
    this.upstream('POST', { 'content-type': 'text/plain' }, credential, (status) => status === 204 || this.lost());
  }

  protected message(text: string): void {
    if (!this.hasEnded) this.events.message(text);
  }

  protected ended(code: number, reason: string): void {
    if (this.hasEnded) return;
    this.cut();
    this.events.closed(code, reason);
  }

  protected lost = (): void => this.ended(1006, '');

  private post(): void {
    const next = this.waiting.shift();
    this.isPosting = next !== undefined;
    if (!next) return;
    const { texts, first } = next;
    const headers = { 'content-type': 'application/json', 'x-realtime-count': String(first) };
    this.upstream('POST', headers, JSON.stringify(texts), (status) => this.posted(status, next));
  }

  /** 429 is repeated; after any other refusal the session says what has arrived. */
  private posted(status: number | undefined, sent: { texts: readonly string[]; first: number }): void {
    if (status === 429) {
      this.waiting.unshift(sent);
      setTimeout(() => this.hasEnded || this.post(), 20);
    } else if (status === 204) this.post();
    else this.lost();
  }

  private upstream(method: string, headers: Headers, body: string | undefined, done: (status?: number) => void): void {
    const all = { ...this.headers, ...headers, 'x-realtime-token': this.token };
    const sent = request(this.url, { method, headers: all, agent: this.agent }, (answer) => {
      answer.resume();
      answer.on('end', () => done(answer.statusCode));
      answer.on('error', () => done());
    });
    sent.on('error', () => done());
    sent.end(body);
  }
}

class SseWire extends RequestWire {
  constructor(...parts: ConstructorParameters<typeof RequestWire>) {
    super(...parts);
    const headers = { ...this.headers, accept: 'text/event-stream', 'x-realtime-hello': this.hello() };
    get(this.url, { headers, agent: this.agent }, (answer) => this.read(answer)).on('error', this.lost);
  }

  private read(answer: IncomingMessage): void {
    if (answer.statusCode !== 200) return this.lost();
    const parser = new EventSourceParser(({ type, data }) => {
      if (type === 'open') this.opened((JSON.parse(data) as { token: string }).token);
      else if (type === 'message') this.message(data);
      else if (type === 'close') {
        const { code, reason } = JSON.parse(data) as { code: number; reason: string };
        this.ended(code, reason);
      }
    });
    answer.setEncoding('utf8');
    answer.on('data', (text: string) => parser.push(text));
    answer.on('error', this.lost).on('close', this.lost);
  }
}

interface Batch {
  readonly token?: string;
  readonly position: number;
  readonly messages: readonly string[];
  readonly close?: { readonly code: number; readonly reason: string };
}

class PollingWire extends RequestWire {
  constructor(...parts: ConstructorParameters<typeof RequestWire>) {
    super(...parts);
    this.poll({}, 0);
  }

  private poll(more: Headers, position: number): void {
    const { url: to } = this;
    const url = `${to}${to.includes('?') ? '&' : '?'}transport=polling&position=${position}`;
    const headers = { ...this.headers, ...more, 'x-realtime-hello': this.hello() };
    const asked = get(url, { headers, agent: this.agent }, (answer) => {
      let text = '';
      answer.setEncoding('utf8');
      answer.on('data', (part: string) => (text += part));
      answer.on('error', this.lost);
      answer.on('end', () => (answer.statusCode === 200 ? this.take(JSON.parse(text) as Batch) : this.lost()));
      answer.on('close', () => answer.complete || this.lost());
    });
    asked.on('error', this.lost);
  }

  private take({ token, position, messages, close }: Batch): void {
    if (token) this.opened(token);
    for (const text of messages) this.message(text);
    if (close) this.ended(close.code, close.reason);
    else if (!this.hasEnded) this.poll({ 'x-realtime-token': this.token }, position);
  }
}
