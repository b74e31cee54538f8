/** The application's own client under test: any of `nestjs-realtime-client`, which this module does not depend on. */
import { WebSocket } from 'ws';
import { DEFAULT_TIMEOUT_MS, withTimeout } from './waiting.js';

/** The state of a library client, as far as a test waits for it. */
export interface LibraryState {
  readonly status: string;
  readonly reason?: string;
}

/** What `connect()` of `nestjs-realtime-client` returns, as far as a test application needs it. */
export interface LibraryClient {
  readonly state: LibraryState;
  onState(listener: (state: LibraryState) => void): () => void;
  close(): void;
}

/** `connect` of `nestjs-realtime-client`. */
export type LibraryConnect<C extends LibraryClient, O> = (url: string, options?: O) => C;

/**
 * Connects, and waits until the client is open.
 *
 * @param clients gets the client, so that it is closed with the application
 * @throws Error when it is closed for good, or not open in time; it says why
 */
export async function openClient<C extends LibraryClient, O extends object>(
  clients: LibraryClient[],
  connect: LibraryConnect<C, O>,
  url: string,
  options: O | undefined,
  timeoutMs = DEFAULT_TIMEOUT_MS,
): Promise<C> {
  // Node 20 has no WebSocket of its own
  const client = connect(url, { WebSocket, ...options } as unknown as O);
  clients.push(client);
  const late = () => new Error(`Waited ${timeoutMs} ms for the client to be open: it is ${inWords(client.state)}`);
  let stop = () => {};
  const opened = new Promise<void>((resolve, reject) => {
    const look = (state: LibraryState) => {
      if (state.status === 'open') resolve();
      else if (state.status === 'closed') reject(new Error(`The client is ${inWords(state)}`));
    };
    stop = client.onState(look);
    look(client.state);
  });
  try {
    await withTimeout(opened, timeoutMs, late);
    return client;
  } catch (error) {
    if (client.state.status !== 'closed') client.close();
    throw error;
  } finally {
    stop();
  }
}

function inWords({ status, reason }: LibraryState): string {
  return reason ? `${status}: ${reason}` : status;
}
