/** The end of a worker that a newer one replaces: its clients come back to the others. */
import type { EventEmitter } from 'node:events';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { readyEvent, retireEvent } from '../settings/worker-place.js';

const events: EventEmitter = process;

/** How long to wait between two looks, in milliseconds. */
const LOOK_MS = 20;

/** Called once, when this worker has to finish. @returns a function that forgets it */
export function onRetire(retire: () => Promise<void>): () => void {
  const listener = () => void retire();
  events.once(retireEvent, listener);
  return () => void events.off(retireEvent, listener);
}

/** Says that this application has started, where nothing listens that would show it. */
export function reportReady(): void {
  events.emit(readyEvent);
}

/** From now on a connection ends with its answer, so that the next request reaches another worker. */
export function endConnections(server: Server): void {
  server.prependListener('request', ({ httpVersionMajor }: IncomingMessage, response: ServerResponse) => {
    if (httpVersionMajor < 2) response.setHeader('Connection', 'close');
  });
}

/** Resolves when it is so, or the time is over. */
export async function settled(isSettled: () => boolean, timeoutMs: number): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  while (!isSettled() && performance.now() < deadline) await sleep(LOOK_MS);
}

/** Resolves when a server that takes no more connections has answered all requests, or the time is over. */
export async function answered(server: Server, timeoutMs: number): Promise<void> {
  let connections = Infinity;
  const look = () => {
    server.closeIdleConnections();
    server.getConnections((_error, count) => (connections = count));
    return connections === 0;
  };
  await settled(look, timeoutMs);
}
