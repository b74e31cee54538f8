/** The part that studies share: their servers run on the packages of the repository, and some end with a verdict. */
import { execSync } from 'node:child_process';
import * as contestants from './contestants.mjs';

export const startServer = (name, options) => contestants.startServer(name, { ...options, hasOwnPackages: true });

export const startPair = (name, env) => contestants.startPair(name, { env, hasOwnPackages: true });

export { endPair } from './contestants.mjs';

/** Ends the process with an error where the system allows too few open files. Node raises its own limit up to that. */
export function needFiles(connections) {
  const limit = execSync('ulimit -Hn', { encoding: 'utf8' }).trim();
  if (limit === 'unlimited' || Number(limit) >= connections + 200) return;
  console.error(`${connections} connections need as many open files, but the hard limit is ${limit} (ulimit -Hn)`);
  process.exit(1);
}

/** Prints the problems, or the sentence for a run without any, and ends the process with the fitting exit code. */
export function conclude(problems, success) {
  for (const problem of problems) console.error(`PROBLEM ${problem}`);
  console.log(problems.length === 0 ? success : `${problems.length} problems`);
  process.exit(problems.length === 0 ? 0 : 1);
}
