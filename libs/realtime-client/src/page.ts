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
  if (!page) return () => {};
  const shown = () => {
    if (page.document?.visibilityState !== 'visible') return;
    watcher.woken();
    watcher.shown();
  };
  const listeners = {
    online: () => watcher.woken(),
    offline: () => watcher.offline(),
    pagehide: ({ persisted = false }: { persisted?: boolean }) => watcher.left(persisted),
    pageshow: ({ persisted }: { persisted?: boolean }) => persisted && watcher.woken(),
  };
  for (const [name, listener] of Object.entries(listeners)) page.addEventListener(name, listener);
  page.document?.addEventListener('visibilitychange', shown);
  return () => {
    for (const [name, listener] of Object.entries(listeners)) page.removeEventListener(name, listener);
    page.document?.removeEventListener('visibilitychange', shown);
  };
}
