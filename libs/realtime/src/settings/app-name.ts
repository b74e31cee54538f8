/** The name of an application that has none: workers of one host have their main script in common. */
import { createHash } from 'node:crypto';
import { realpathSync } from 'node:fs';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';

/** The most characters of a name that stand in the path of a socket, which has to be short. */
const MAX_SHOWN = 24;

/** @param script the main script, as `process.argv[1]` has it */
export function defaultApp(script: string | undefined): string {
  return hash(realPath(script ?? process.cwd()));
}

/** @returns the folder of the sockets of an application's workers, for this user alone */
export function defaultFolder(app: string): string {
  const shown = app.length > MAX_SHOWN ? hash(app) : app;
  return join(tmpdir(), `realtime-${process.geteuid?.() ?? userInfo().username}-${shown}`);
}

function hash(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 12);
}

function realPath(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return path;
  }
}
