/** What happens to a page, and is of interest to a connection. */
import type { Environment } from './environment.js';

export interface PageWatcher {
  /** The network is back, or the page is visible again, or out of the back/forward cache. */
  woken(): void;
  offline(): void;
  /** @param isKept the page may come back, out of the back/forward cache */
  left(isKept: boolean): void;
  /** It is visible again. */
  shown(): void;
}

/** @returns how to stop watching */
export function watchPage({ page }: Environment, watcher: PageWatcher): () => void {
  const aborter = new AbortController();
  const { signal } = aborter;
  page?.addEventListener('online', () => watcher.woken(), { signal });
  page?.addEventListener('offline', () => watcher.offline(), { signal });
  page?.addEventListener('pagehide', ({ persisted }) => watcher.left(Boolean(persisted)), { signal });
  page?.addEventListener('pageshow', ({ persisted }) => persisted && watcher.woken(), { signal });
  const shown = () => {
    if (page!.document!.visibilityState !== 'visible') return;
    watcher.woken();
    watcher.shown();
  };
  page?.document?.addEventListener('visibilitychange', shown, { signal });
  return () => aborter.abort();
}
