/** Takes a rule away from a source file, so that a test can show that it would notice. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { transformSync } from '@swc/core';

/** In one file: the text that stands for the rule, and the text without it. */
export interface Mutation {
  readonly file: string;
  readonly from: string;
  readonly to: string;
}

/**
 * Compiles the files with the change and imports the first one.
 *
 * @param files paths in `libs/realtime/src/` that import at most each other
 * @throws Error when the text of the rule is not there exactly once
 */
export async function mutant<T>(files: readonly string[], mutation: Mutation): Promise<T> {
  return (await mutants<[T]>(files, mutation, 1))[0];
}

/**
 * Compiles the files with the change and imports the first ones: so many of them.
 *
 * @returns their exports, in the order of the files
 */
export async function mutants<T extends unknown[]>(
  files: readonly string[],
  { file, from, to }: Mutation,
  count: T['length'],
): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), 'mutant-'));
  try {
    for (const path of files) {
      const source = sourceOf(path);
      if (path === file && source.split(from).length !== 2) throw new Error(`${path} has not exactly one "${from}"`);
      writeFileSync(join(folder, target(path)), compiled(path === file ? source.replace(from, () => to) : source));
    }
    const names = files.slice(0, count).map((path) => pathToFileURL(join(folder, target(path))).href);
    return (await Promise.all(names.map((name) => import(name)))) as T;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const sourceOf = (path: string) => readFileSync(new URL(`../../libs/realtime/src/${path}`, import.meta.url), 'utf8');
const target = (path: string) => basename(path).replace('.ts', '.mjs');

/** What was compiled before: of the files of a mutant, one is another than those of the mutant before. */
const known = new Map<string, string>();

function compiled(source: string): string {
  const code = known.get(source) ?? compile(source);
  known.set(source, code);
  return code;
}

function compile(source: string): string {
  const jsc = { target: 'es2022', parser: { syntax: 'typescript' } } as const;
  const { code } = transformSync(source, { swcrc: false, configFile: false, module: { type: 'es6' }, jsc });
  return code.replaceAll(
    /from '\.\.?\/([\w-]+)\.js'|from "\.\.?\/([\w-]+)\.js"/g,
    (_all, one, two) => `from './${one ?? two}.mjs'`,
  );
}
