/** What happens to a page, and is of interest to a connection. */
import type { Environment, PageEvent } from './environment.js';

/** The names are those of the events of a window; `visibilitychange` comes there from its document. */
const EVENTS = ['online', 'offline', 'pagehide', 'pageshow', 'visibilitychange'] as const;

export type PageWatcher = Readonly<Record<(typeof EVENTS)[number], (event: PageEvent) => void>>;

/** @returns what stops the watching when it is aborted; it is given as options, of which only its `signal` is read */
export function watchPage(page: Environment['page'], watcher: PageWatcher): AbortController {
  const aborter = new AbortController();
  for (const name of EVENTS) page?.addEventListener(name, (event) => watcher[name](event), aborter);
  return aborter;
}
