/**
 * Server-sent events and long polling with the interface of a WebSocket, for networks that block WebSockets: the same
 * path, messages and close codes. This file depends on nothing but a browser; copy it into your own page.
 */

const TOKEN = 'x-realtime-token';
const LOST = { code: 1006, reason: '' };
/** A failed request is repeated after this time, and this many times; then the connection is lost. */
const RETRY_MS = 500;
const RETRIES = 4;

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

class RequestSocket {
  onopen;
  onmessage;
  onclose;
  readyState = 0;
  token;
  aborter = new window.AbortController();
  #queue = Promise.resolve();

  constructor(path) {
    this.path = path;
    window.addEventListener('pagehide', this.#goodbye);
  }

  /** Sends a text or bytes, one message after the other: of two requests at once, the later could arrive first. */
  send(data) {
    this.#queue = this.#queue.then(() => this.#post(data));
  }

  close() {
    this.#goodbye();
    this.ended({ code: 1000, reason: '' });
  }

  opened(token) {
    this.token = token;
    this.readyState = 1;
    this.onopen?.();
  }

  ended(close) {
    if (this.readyState === 3) return;
    this.readyState = 3;
    window.removeEventListener('pagehide', this.#goodbye);
    this.aborter.abort();
    this.onclose?.(close);
  }

  /** Hands on a message as a WebSocket would: a text, or bytes as an ArrayBuffer. */
  received(item) {
    const isText = typeof item === 'string';
    this.onmessage?.({ data: isText ? item : bytesOf(item.binary) });
  }

  /** The server has given this client another connection, which nobody wants: the messages between the two are lost. */
  lost(token) {
    this.token = token;
    this.#goodbye();
    this.ended(LOST);
  }

  /** Makes one request after the other until the connection ends, or cannot be reached any more. */
  async repeat(request, retryMs = () => 0) {
    for (let failures = 0; this.readyState < 2 && failures <= RETRIES;) {
      const isAnswered = await request().catch(() => false);
      if (this.readyState === 0) break;
      failures = isAnswered ? 0 : failures + 1;
      const delay = isAnswered ? retryMs() : Math.max(RETRY_MS, retryMs());
      if (this.readyState < 2 && delay > 0) await pause(delay);
    }
    this.ended(LOST);
  }

  /**
   * Ends the connection on the server, which would otherwise wait for the next request while others see this page
   * online.
   */
  #goodbye = () => {
    if (!this.token || this.readyState === 3) return;
    fetch(this.path, { method: 'DELETE', headers: { [TOKEN]: this.token }, keepalive: true }).catch(() => {});
  };

  async #post(data) {
    if (this.readyState !== 1) return;
    const isText = typeof data === 'string';
    const headers = { [TOKEN]: this.token, 'content-type': isText ? 'text/plain' : 'application/json' };
    const body = isText ? data : JSON.stringify([{ binary: base64Of(data) }]);
    try {
      const answer = await fetch(this.path, { method: 'POST', headers, body });
      const seconds = Number(answer.headers.get('retry-after')) || 1;
      if (answer.status === 429) await pause(seconds * 1000).then(() => this.#post(data));
      else if (answer.status !== 204) this.ended(LOST);
    } catch {
      // The message may have arrived: sending it again could send it twice
      this.ended(LOST);
    }
  }
}

function bytesOf(base64) {
  return Uint8Array.from(window.atob(base64), (character) => character.charCodeAt(0)).buffer;
}

function base64Of(bytes) {
  return window.btoa(Array.from(new Uint8Array(bytes), (byte) => String.fromCharCode(byte)).join(''));
}

export class SseSocket extends RequestSocket {
  /** The id of the last event, with which a new stream resumes. */
  #lastId = '';
  #retryMs = 2000;

  constructor(path) {
    super(path);
    void this.repeat(
      () => this.#read(),
      () => this.#retryMs,
    );
  }

  /** Reads one stream to its end. Not by an EventSource, which hides events whose names it was not told. */
  async #read() {
    const resume = this.#lastId && { 'last-event-id': this.#lastId };
    const headers = { accept: 'text/event-stream', ...resume };
    const answer = await fetch(this.path, { headers, cache: 'no-store', signal: this.aborter.signal });
    if (answer.status !== 200) return this.readyState === 1 && answer.status < 500 && this.ended(LOST);
    const reader = answer.body.getReader();
    const decoder = new window.TextDecoder();
    let text = '';
    for (let { done, value } = await reader.read(); !done; { done, value } = await reader.read()) {
      const blocks = (text + decoder.decode(value, { stream: true })).split('\n\n');
      text = blocks.pop();
      for (const block of blocks) this.#take(fieldsOf(block));
    }
    return true;
  }

  #take({ id, event, data, retry }) {
    if (retry !== undefined) this.#retryMs = Number(retry);
    if (id !== undefined) this.#lastId = id;
    if (data === undefined || this.readyState === 3) return;
    if (event === 'open') this.#begin(JSON.parse(data));
    else if (event === 'close') this.ended(JSON.parse(data));
    else if (event === 'binary') this.received({ binary: data });
    else this.received(event === undefined ? data : `{"event":${JSON.stringify(event)},"data":${data}}`);
  }

  /** A stream that was not recovered is another connection: messages were lost, and the page has to know. */
  #begin({ token, recovered }) {
    if (recovered) return;
    if (this.readyState === 0) this.opened(token);
    else this.lost(token);
  }
}

/** Returns the fields of one event. The server ends each line with `\\n` and puts a space after the colon. */
function fieldsOf(block) {
  const fields = {};
  for (const line of block.split('\n')) {
    const [, name, value] = /^(\w+): (.*)$/s.exec(line) ?? [];
    if (name === 'data' && fields.data !== undefined) fields.data += `\n${value}`;
    else if (name !== undefined) fields[name] = value;
  }
  return fields;
}

export class PollingSocket extends RequestSocket {
  #position = 0;

  constructor(path) {
    super(path);
    void this.repeat(() => this.#poll());
  }

  async #poll() {
    const headers = this.token ? { [TOKEN]: this.token } : {};
    const url = `${this.path}?transport=polling&position=${this.#position}`;
    const answer = await fetch(url, { headers, cache: 'no-store', signal: this.aborter.signal });
    if (answer.status !== 200) return false;
    const { token, position = 0, messages, close } = await answer.json();
    // A new token means that the server started another connection: the old one is lost
    if (token && this.token) return this.lost(token);
    if (token) this.opened(token);
    const known = this.#position - (position - messages.length);
    this.#position = Math.max(this.#position, position);
    for (const item of messages.slice(Math.max(0, known))) this.received(item);
    if (close) this.ended(close);
    return true;
  }
}
