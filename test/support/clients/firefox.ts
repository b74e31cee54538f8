/** A real Firefox, as distributions have it, driven by the same Playwright as Chromium. */
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { type Browser, firefox } from 'playwright-core';
import { until } from '../process-guard.js';
import { toolPath } from '../tools.js';

const LAUNCHER = fileURLToPath(new URL('firefox-launcher.mjs', import.meta.url));

/** Besides those of Playwright: no request but those of the pages. */
const PREFERENCES = {
  'browser.chrome.site_icons': false,
  'services.settings.server': 'data:,#remote-settings-dummy/v1',
};

/**
 * @param preferences more of them, as in `about:config`
 * @throws Error when there is no Firefox; `npm run test:setup` installs it or says how
 */
export function startFirefox(preferences: Record<string, string | number | boolean> = {}): Promise<Browser> {
  const env = { ...process.env, FIREFOX_PATH: toolPath('firefox'), MOZ_REMOTE_SETTINGS_DEVTOOLS: '1' };
  // This channel is driven by WebDriver BiDi; all others need a Firefox that Playwright has built
  return firefox.launch({
    channel: 'moz-firefox',
    executablePath: LAUNCHER,
    firefoxUserPrefs: { ...PREFERENCES, ...preferences },
    env: env as Record<string, string>,
  });
}

/**
 * Stops the processes in which the Firefox of this file runs its pages: no script of a page runs, and no timer, while
 * its connections stay open. Needs Linux.
 *
 * @returns how to go on
 */
export async function freezeFirefox(): Promise<() => Promise<void>> {
  const frozen = pagesOf(process.pid);
  if (frozen.length === 0) throw new Error('No Firefox of this process has a page');
  for (const { pid } of frozen) process.kill(pid, 'SIGSTOP');
  const states = () => frozen.map(({ pid }) => stateOf(pid)!.state).join('');
  await until('the processes to be stopped', states, (all) => /^T+$/.test(all));
  return async () => frozen.forEach(({ pid }) => process.kill(pid, 'SIGCONT'));
}

interface ProcessState {
  readonly pid: number;
  readonly parent: number;
  /** One letter; `T` is stopped. */
  readonly state: string;
  readonly command: string;
}

function pagesOf(root: number): ProcessState[] {
  const all = readdirSync('/proc').flatMap((name) => (/^\d+$/.test(name) ? (stateOf(Number(name)) ?? []) : []));
  const below = (parent: number): ProcessState[] =>
    all.filter((each) => each.parent === parent).flatMap((each) => [each, ...below(each.pid)]);
  return below(root).filter(({ command }) => command.includes('-isForBrowser'));
}

/** @returns nothing for a process that has ended */
function stateOf(pid: number): ProcessState | undefined {
  try {
    const [state, parent] = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)!.split(' ');
    return { pid, parent: Number(parent), state: state!, command: readFileSync(`/proc/${pid}/cmdline`, 'utf8') };
  } catch {
    return undefined;
  }
}
