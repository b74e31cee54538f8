/** The text of an API report, for a small package in a temporary folder. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import ts from 'typescript';
import { describe as describeTypes } from '../../scripts/api/describe.mjs';

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'api-'));
});

afterEach(() => rmSync(folder, { recursive: true }));

/** @returns the report of `index.d.ts`, each run of spaces as one */
function report(files: Readonly<Record<string, string>>): string {
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), text);
  }
  const entry = join(folder, 'index.d.ts');
  const program = ts.createProgram([entry], {
    types: [],
    lib: ['lib.es5.d.ts'],
    module: ts.ModuleKind.NodeNext,
    stableTypeOrdering: true,
  });
  return describeTypes(program, folder, entry).replaceAll(/\s+/g, ' ').trim();
}

it('prints members by name, without comments and private ones', () => {
  const text = `
    /** A thing. */
    export declare class Thing<T> extends Error {
      #secret;
      private hidden;
      protected open: T;
      /** Second. */
      b(): void;
      a?: string;
      static b: number;
      constructor(a: string);
    }`;
  expect(report({ 'index.d.ts': text })).toBe(
    'export declare class Thing<T> extends Error { constructor(a: string); static b: number; a?: string; b(): void; protected open: T; }',
  );
});

it('stays the same when a type moves to another file', () => {
  const type = 'export interface Row { readonly id: string }';
  const user = (from: string) => `import type { Row } from './${from}.js'; export declare function rows(): Row[];`;
  const before = report({ 'index.d.ts': user('row'), 'row.d.ts': type });
  const inferred = `export declare function rows(): import("./deep/table.js").Row[];`;
  expect(report({ 'index.d.ts': user('deep/table'), 'deep/table.d.ts': type })).toBe(before);
  expect(report({ 'index.d.ts': inferred, 'deep/table.d.ts': type })).toBe(before);
});

it('lists the types that the exported ones name, although they are not exported', () => {
  const files = {
    'index.d.ts': `import { Inner } from './inner.js'; export interface Outer { inner: Inner }`,
    'inner.d.ts': `export interface Inner { again: Leaf } type Leaf = 'a' | 'b'; export declare class Unused {}`,
  };
  expect(report(files)).toBe(
    "export interface Outer { inner: Inner; } // Not exported, but named above interface Inner { again: Leaf; } type Leaf = 'a' | 'b';",
  );
});

it('writes out what is computed from a table that is not exported', () => {
  const files = {
    'table.d.ts': `export declare const TABLE: { port: { value: number }; host: { value: string } };`,
    'index.d.ts': `
      import { TABLE } from './table.js';
      type Table = typeof TABLE;
      export type Name = keyof Table;
      export type Values = { readonly [K in Name]: Table[K]['value'] };
      export interface Options extends Partial<Values> {}
      export {};`,
  };
  expect(report(files)).toBe(
    "export type Name = 'host' | 'port'; export interface Options extends Partial<Values> { } export type Values = { readonly host: string; readonly port: number; };",
  );
});

it('lists the static members that a class has from an expression', () => {
  const files = {
    'base.d.ts': `export declare const Base: { new (): object; create(name: string): object };`,
    'index.d.ts': `import { Base } from './base.js'; export declare class Module extends Base { static own(): void }`,
  };
  expect(report(files)).toContain('extends Base { static own(): void; static create: (name: string) => object; }');
});

it('names the package of what comes from another one', () => {
  const files = {
    'node_modules/other/package.json': '{"name":"other","version":"1.0.0","types":"index.d.ts"}',
    'node_modules/other/index.d.ts': 'export interface Theirs { a: string } export declare const CODE: 1;',
    'index.d.ts': `import type { Theirs } from 'other'; export declare const mine: Theirs; export { CODE } from 'other';`,
  };
  expect(report(files)).toBe(
    "import type { Theirs } from 'other'; export { CODE } from 'other'; export declare const mine: Theirs;",
  );
});

it('marks what is deprecated', () => {
  const text = 'export interface A {\n/** @deprecated use b */\na: string;\nb: string }';
  expect(report({ 'index.d.ts': text })).toBe('export interface A { /** @deprecated */ a: string; b: string; }');
});
