import { createHash } from 'node:crypto';
import type { Link } from '../../cluster/link.js';

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

/** A link that also runs scripts. */
export interface ScriptedLink extends Link {
  /** What names in Redis begin with that are to be on the server of this channel. */
  prefixOf(channel: string): string;
  /**
   * Runs a script on the server of a channel, in the order of these calls. `publish` does not wait for it.
   *
   * @returns the answer of Redis, with bytes as Buffers
   * @throws LinkError within the deadline
   */
  run(channel: string, call: ScriptCall): Promise<unknown>;
  /**
   * Resolves when everything that was published on a channel before this call, by anyone, has arrived: answers to
   * scripts and messages come over different connections.
   *
   * @throws LinkError within the deadline
   */
  arrived(channel: string): Promise<void>;
}
