/** The programs that tests need besides npm packages: scripts/tools.json, which `npm run test:setup` checks. */
import { existsSync, readFileSync } from 'node:fs';

type Tools = Readonly<Record<string, { readonly env: string; readonly binaries: readonly string[] }>>;

/** @returns the path of a tool @throws Error when it is not there; `npm run test:setup` installs it or says how */
export function toolPath(name: string): string {
  const tools = JSON.parse(readFileSync(new URL('../../scripts/tools.json', import.meta.url), 'utf8')) as Tools;
  const { env, binaries } = tools[name]!;
  const path = process.env[env] || binaries.find((each) => existsSync(each));
  if (!path) throw new Error(`There is no ${name} here: run \`npm run test:setup\``);
  return path;
}
