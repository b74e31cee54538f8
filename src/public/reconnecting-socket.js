/**
 * A connection that reconnects by itself, with backoff and jitter; the close code decides whether it does. It is a
 * WebSocket where that is possible, else server-sent events, else long polling. Copy it into your own page.
 */
import { PollingSocket, SseSocket } from './request-sockets.js';

const MEANINGS = new Map([
  [1000, 'closed on purpose'],
  [1001, 'the server is shutting down'],
  [1002, 'protocol error'],
  [1003, 'this kind of data is not accepted'],
  [1005, 'closed without a code'],
  [1006, 'the connection broke'],
  [1007, 'invalid text'],
  [1008, 'too many fragments'],
  [1009, 'a message was too big'],
  [1010, 'an extension is missing'],
  [1011, 'the server failed to open it'],
  [1012, 'the service restarts'],
  [1013, 'the server is overloaded'],
  [4000, 'this page was silent for too long'],
  [4001, 'this page read too slowly'],
  [4002, 'this page sent too much'],
  [4500, 'disconnected by the application'],
  [4501, 'no longer allowed'],
  [4502, 'the login has expired'],
  [4503, 'replaced by a newer connection'],
]);

const FIRST_DELAY_MS = 500;
const LONGEST_DELAY_MS = 30_000;
/** After a connection that lived this long, the next delay starts small again. */
const STABLE_MS = 5000;
/** The only 4xx answers that may be different next time; 426 means that a WebSocket would be admitted. */
const WORTH_RETRYING = [408, 425, 426, 429];

/** The ways to connect, the best first. */
const TRANSPORTS = ['websocket', 'sse', 'polling'];

/** Returns what a close code means, in words. */
export function meaningOf(code) {
  return MEANINGS.get(code) ?? 'closed by the application';
}

/** Returns whether to reconnect after this close code; the same table as in `nestjs-realtime-protocol`. */
export function mayReconnect(code) {
  return [1001, 1005, 1006, 1011, 1012, 1013, 1014, 1015].includes(code) || (code >= 4000 && code <= 4499);
}

/** Returns when to reconnect, in milliseconds: when the server has asked this page to, in the close reason, else later each time. */
export function delayAfter(reason, attempt) {
  const [, asked] = /\bretry-after-ms=(\d+)$/.exec(reason ?? '') ?? [];
  return asked === undefined ? delayOf(attempt) : Math.min(LONGEST_DELAY_MS, Number(asked));
}

/**
 * Returns an exponential delay of at most 30 s. Half of it is random, so that a thousand pages do not return at once.
 */
export function delayOf(attempt) {
  const delay = Math.min(LONGEST_DELAY_MS, FIRST_DELAY_MS * 2 ** attempt);
  return delay / 2 + (Math.random() * delay) / 2;
}

export class ReconnectingSocket {
  #attempt = 0;
  #socket;
  #timer;
  #transports;
  /** The index of the transport that is tried. */
  #choice = 0;

  /**
   * @param path the gateway's path on this page's own host
   * @param onText called with every text that arrives; an event is the text `{"event":…,"data":…}` on every transport
   * @param onBytes called with every binary message, an ArrayBuffer; default: it is ignored
   * @param onState called with `{ state: 'connecting' | 'open' | 'waiting' | 'closed' }`; the last two have the
   *   cause: `code` and `reason` of a connection that ended, or `refusal` (the HTTP answer) of one that never began;
   *   'waiting' also has `delay`, in milliseconds; 'open' has `transport`
   * @param only the one transport to use: websocket, sse or polling; any other value leaves the choice
   */
  constructor(path, { onText, onBytes, onState, only }) {
    this.path = path;
    this.#transports = TRANSPORTS.includes(only) ? [only] : TRANSPORTS;
    this.onText = onText;
    this.onBytes = onBytes;
    this.onState = onState;
  }

  /** Connects now, even if it is waiting or has ended for good. */
  connect() {
    this.#drop();
    this.onState({ state: 'connecting' });
    if (!window.WebSocket && this.#transports.length > 1) this.#choice ||= 1;
    const transport = this.#transports[this.#choice];
    const socket = openSocket(transport, this.path);
    let openedAt = 0;
    socket.onopen = () => {
      openedAt = Date.now();
      this.onState({ state: 'open', transport });
    };
    socket.binaryType = 'arraybuffer';
    socket.onmessage = ({ data }) => (typeof data === 'string' ? this.onText(data) : this.onBytes?.(data));
    socket.onclose = ({ code, reason }) => {
      if (openedAt === 0) return this.#refused(socket);
      if (Date.now() - openedAt > STABLE_MS) this.#attempt = 0;
      this.#choice = 0;
      this.#ended({ code, reason }, mayReconnect(code));
    };
    this.#socket = socket;
  }

  /** Sends a text or bytes. @returns false when there is no open connection, and nothing was sent */
  send(data) {
    if (this.#socket?.readyState !== 1) return false;
    this.#socket.send(data);
    return true;
  }

  /** Ends the connection with 1000, and does not reconnect. */
  leave() {
    this.#drop();
    this.#attempt = 0;
    this.#ended({ code: 1000, reason: '' }, false);
  }

  /** Drops the current connection: its later events must not reach the page. */
  #drop() {
    clearTimeout(this.#timer);
    if (!this.#socket) return;
    this.#socket.onopen = this.#socket.onmessage = this.#socket.onclose = null;
    this.#socket.close(1000);
    this.#socket = undefined;
  }

  /**
   * Finds out why the handshake was refused: a page cannot read that, but a plain GET of the path gets the same answer.
   */
  async #refused(socket) {
    const refusal = await askWhy(this.path);
    if (socket !== this.#socket) return;
    // After a 426 the server would admit a WebSocket: something between blocks it, so the next transport is tried
    const isLast = this.#choice === this.#transports.length - 1;
    this.#choice = isLast || refusal.status !== 426 ? 0 : this.#choice + 1;
    if (this.#choice > 0) return this.connect();
    const isFinal = refusal.status >= 400 && refusal.status < 500 && !WORTH_RETRYING.includes(refusal.status);
    this.#ended({ refusal }, !isFinal);
  }

  #ended(why, comesBack) {
    if (!comesBack) return this.onState({ state: 'closed', ...why });
    const delay = delayAfter(why.reason, this.#attempt++);
    this.onState({ state: 'waiting', delay, ...why });
    this.#timer = setTimeout(() => this.connect(), delay);
  }
}

function openSocket(transport, path) {
  if (transport === 'sse') return new SseSocket(path);
  if (transport === 'polling') return new PollingSocket(path);
  const scheme = location.protocol === 'https:' ? 'wss:' : 'ws:';
  return new WebSocket(`${scheme}//${location.host}${path}`);
}

/** @returns status and message; status 0 when the server does not answer, 426 when it would admit a WebSocket */
async function askWhy(path) {
  try {
    const response = await fetch(path, { cache: 'no-store' });
    const body = await response.text();
    return { status: response.status, message: messageOf(body) };
  } catch {
    return { status: 0, message: 'the server does not answer' };
  }
}

function messageOf(body) {
  try {
    return String(JSON.parse(body).message);
  } catch {
    return body.slice(0, 200);
  }
}
