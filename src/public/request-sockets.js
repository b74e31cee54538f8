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
  #queue = Promise.resolve();

  constructor(path) {
    this.path = path;
    window.addEventListener('pagehide', this.#goodbye);
  }

  /** Sends one message after the other: of two requests at once, the later could arrive first. */
  send(text) {
    this.#queue = this.#queue.then(() => this.#post(text));
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
    this.stop();
    this.onclose?.(close);
  }

  /**
   * Ends the connection on the server, which would otherwise wait for the next request while others see this page
   * online.
   */
  #goodbye = () => {
    if (!this.token || this.readyState === 3) return;
    fetch(this.path, { method: 'DELETE', headers: { [TOKEN]: this.token }, keepalive: true }).catch(() => {});
  };

  async #post(body) {
    if (this.readyState !== 1) return;
    const headers = { [TOKEN]: this.token, 'content-type': 'text/plain' };
    try {
      const { status } = await fetch(this.path, { method: 'POST', headers, body });
      if (status === 429) await pause(1000).then(() => this.#post(body));
      else if (status !== 204) this.ended(LOST);
    } catch {
      // The message may have arrived: sending it again could send it twice
      this.ended(LOST);
    }
  }
}

export class SseSocket extends RequestSocket {
  #source;

  constructor(path) {
    super(path);
    const source = (this.#source = new window.EventSource(path));
    source.addEventListener('open', (event) => event.data && this.#begin(JSON.parse(event.data)));
    source.addEventListener('close', ({ data }) => this.ended(JSON.parse(data)));
    source.addEventListener('exception', ({ data }) =>
      this.onmessage?.({ data: `{"event":"exception","data":${data}}` }),
    );
    source.onmessage = ({ data }) => this.onmessage?.({ data });
    // In all other cases the browser reconnects by itself and resumes where it was
    source.onerror = () => (source.readyState === 2 || this.readyState === 0) && this.ended(LOST);
  }

  /** Ends after a reconnect that was not recovered: messages sent meanwhile are lost, and the page has to know. */
  #begin({ token, recovered }) {
    if (recovered) return;
    if (this.readyState === 0) return this.opened(token);
    this.token = token;
    this.close();
  }

  stop() {
    this.#source.close();
  }
}

export class PollingSocket extends RequestSocket {
  #position = 0;
  #aborter = new window.AbortController();

  constructor(path) {
    super(path);
    void this.#run();
  }

  async #run() {
    for (let failures = 0; this.readyState < 2 && failures <= RETRIES;) {
      const isAnswered = await this.#poll().catch(() => false);
      if (isAnswered) failures = 0;
      else if (this.readyState === 0) break;
      else if (failures++ < RETRIES) await pause(RETRY_MS);
    }
    this.ended(LOST);
  }

  async #poll() {
    const headers = this.token ? { [TOKEN]: this.token } : {};
    const url = `${this.path}?transport=polling&position=${this.#position}`;
    const answer = await fetch(url, { headers, cache: 'no-store', signal: this.#aborter.signal });
    if (answer.status !== 200) return false;
    const { token, position = 0, messages, close } = await answer.json();
    // A new token means that the server started another connection: the old one is lost
    if (token && this.token) return this.ended(LOST);
    if (token) this.opened(token);
    const known = this.#position - (position - messages.length);
    this.#position = Math.max(this.#position, position);
    for (const data of messages.slice(Math.max(0, known))) this.onmessage?.({ data });
    if (close) this.ended(close);
    return true;
  }

  stop() {
    this.#aborter.abort();
  }
}
