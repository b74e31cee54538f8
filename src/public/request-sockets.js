/**
 * Server-sent events and long polling with the face of a WebSocket, for where a WebSocket cannot be: the same path, the
 * same messages, the same close codes. They need nothing but a browser; take them along.
 */

const TOKEN = 'x-realtime-token';
const LOST = { code: 1006, reason: '' };
/** How long to wait before a request that failed is repeated, and how often: then the connection is lost. */
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

  /** Messages leave one after the other: two requests at once could overtake each other. */
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

  /** Without it the server would wait for the next request, and the others see this one still here. */
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
      // Whether it arrived is not known: to send it again could send it twice
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
    // otherwise the browser comes back by itself, and goes on where it was
    source.onerror = () => (source.readyState === 2 || this.readyState === 0) && this.ended(LOST);
  }

  /** A second one that is not recovered: what was sent meanwhile is lost, and the page has to know. */
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
    // A new token on a connection that is open: the old one is lost
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
