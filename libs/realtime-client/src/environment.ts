/** Everything that the client needs of the world, so that tests can give it a world of their own. */
import { ClientError } from './errors.js';

/** The part of a `WebSocket` that the client uses; the class of a browser, of Node 22, and of `ws` have it. */
export interface WebSocketLike {
  binaryType: string;
  readonly protocol: string;
  onopen: ((event: never) => void) | null;
  onmessage: ((event: never) => void) | null;
  onclose: ((event: never) => void) | null;
  onerror: ((event: never) => void) | null;
  send(data: string | Uint8Array): void;
  close(code?: number, reason?: string): void;
}

/** A class of WebSockets. */
export type WebSocketClass = new (url: string, protocols: string[]) => WebSocketLike;

/** An event of a page. */
export interface PageEvent {
  /** The page goes into the back/forward cache, or comes out of it. */
  readonly persisted?: boolean;
}

/** A page; a process has none. */
export interface PageLike {
  addEventListener(name: string, listener: (event: PageEvent) => void, options: { readonly signal: AbortSignal }): void;
  readonly document?: { readonly visibilityState: string };
  readonly navigator?: { readonly onLine?: boolean };
  readonly location?: { readonly href: string; readonly origin: string };
}

/** The options of a request; the types of Node do not know `cache`. */
export interface FetchInit extends RequestInit {
  cache?: 'no-store';
}

export interface Environment {
  /** Milliseconds since 1970. */
  time(): number;
  /** Runs a task after so many milliseconds. @returns how to cancel it */
  after(ms: number, task: () => void): () => void;
  /** A number from 0 up to 1. */
  random(): number;
  fetch(url: string, init: FetchInit): Promise<Response>;
  /** @throws ClientError `bad_option` where there is no class */
  webSocket(): Promise<WebSocketClass>;
  readonly page: PageLike | undefined;
}

/** The globals of a browser, as far as they are used; a process has only some. */
type Global = PageLike & { readonly WebSocket?: WebSocketClass };

/** @param given the application's own class of WebSockets */
export function ownEnvironment(given?: WebSocketClass): Environment {
  const world = globalThis as unknown as Global;
  return {
    time: () => Date.now(),
    random: Math.random,
    after(ms, task) {
      const timer = setTimeout(task, ms);
      return () => clearTimeout(timer);
    },
    fetch: (url, init) => fetch(url, init),
    async webSocket() {
      const found = given ?? world.WebSocket;
      if (!found) throw new ClientError('bad_option', 'There is no WebSocket here');
      return found;
    },
    page: world.document && world,
  };
}
