import { createHash } from 'node:crypto';

/** A Lua script, which Redis knows by its hash once it was loaded. */
export interface Script {
  readonly text: string;
  readonly sha: string;
}

export function scriptOf(text: string): Script {
  return { text, sha: createHash('sha1').update(text).digest('hex') };
}

/** What a script is called with. */
export interface ScriptCall {
  readonly script: Script;
  /** Names in Redis, prefix included. */
  readonly keys: readonly string[];
  readonly args: readonly (string | Buffer)[];
}
