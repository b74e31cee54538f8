/** The way up for SSE and polling: one POST after the other, since of two at once the later could arrive first. */
import type { FetchInit } from '../environment.js';
import type { WireOwner } from '../wire.js';

/** The request header that carries the session's secret. */
export const TOKEN = 'x-realtime-token';
/** The request header of a client library: the number of the first message. */
export const COUNT = 'x-realtime-count';

const MAX_MESSAGES = 32;
const MAX_CHARACTERS = 65_536;

interface Waiting {
  readonly data: string | Uint8Array;
  readonly n: number | undefined;
}

export class Posts {
  #waiting: Waiting[] = [];
  #isBusy = false;
  #hasLeft = false;

  /** @param lost called when a message could not be handed over: the session knows what to send again */
  constructor(
    private readonly owner: WireOwner,
    private readonly signal: AbortSignal,
    private readonly lost: () => void,
  ) {}

  write(data: string | Uint8Array, n?: number): void {
    this.#waiting.push({ data, n });
    if (this.#isBusy) return;
    this.#isBusy = true;
    // Messages of one turn travel together
    queueMicrotask(() => {
      this.#run()
        .catch(() => this.signal.aborted || this.lost())
        .finally(() => (this.#isBusy = false));
    });
  }

  /** Ends the connection on the server, also while the page goes away. */
  leave(): Promise<unknown> {
    this.#hasLeft = true;
    return this.#fetch({ method: 'DELETE', keepalive: true }, {}).catch(() => {});
  }

  async #run(): Promise<void> {
    while (this.#waiting.length > 0) {
      const batch = this.#waiting.splice(0, this.#fitting());
      const numbers = batch.flatMap(({ n }) => n ?? []);
      await this.#post(batch, numbers[0] ?? 1);
      if (numbers.length > 0 && !this.signal.aborted && !this.#hasLeft) this.owner.upper.acknowledged(numbers.at(-1)!);
    }
  }

  /** How many of the first messages are posted together. */
  #fitting(): number {
    let characters = 0;
    const end = this.#waiting.findIndex(({ data }, index) => {
      characters += data.length;
      return index === MAX_MESSAGES || (index > 0 && characters > MAX_CHARACTERS);
    });
    return end < 0 ? this.#waiting.length : end;
  }

  /**
   * @param first the number of the first counted message
   * @throws Error when the server does not take it
   */
  async #post(batch: readonly Waiting[], first: number): Promise<void> {
    const [{ data }] = batch as [Waiting];
    const isText = batch.length === 1 && typeof data === 'string';
    const body = isText ? data : JSON.stringify(batch.map(encoded));
    const headers = { 'content-type': isText ? 'text/plain' : 'application/json', [COUNT]: String(first) };
    const { ok, status, headers: said } = await this.#fetch({ method: 'POST', body, signal: this.signal }, headers);
    if (ok) return;
    const seconds = said.get('retry-after');
    // 503: the node of the connection was too late; the numbers keep what it has taken from being taken twice
    if (status !== 429 && !(status === 503 && seconds)) throw new Error();
    await new Promise<void>((resolve) => this.owner.target.environment.after(Number(seconds ?? 1) * 1000, resolve));
    if (!this.signal.aborted) await this.#post(batch, first);
  }

  #fetch(init: FetchInit, headers: Record<string, string>): Promise<Response> {
    return this.owner.fetch({ ...init, headers: { ...headers, [TOKEN]: this.owner.upper.ledger.secret ?? '' } });
  }
}

function encoded({ data }: Waiting): unknown {
  if (typeof data === 'string') return data;
  return { binary: btoa(Array.from(data, (byte) => String.fromCharCode(byte)).join('')) };
}

/** The bytes of a base64 text. */
export function bytesOf(base64: string): ArrayBuffer {
  return Uint8Array.from(atob(base64), (character) => character.charCodeAt(0)).buffer;
}
