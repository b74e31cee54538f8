/** The code of the documentation compiles, and the sample of a spec is the one that runs. */
import { join } from 'node:path';
import { codeOf, problemsOf, read, recipes, ROOT } from '../support/docs.js';

/** Pages whose samples are complete. */
const PAGES = [
  ...['README.md', 'docs/gateways.md', 'docs/enhancers.md', 'docs/testing.md', 'docs/migrating.md'],
  ...['docs/scaling.md', 'docs/client.md', 'docs/presence.md'],
];
const folder = join(ROOT, 'test');

/** As much of React's types as the samples use: the repository does not depend on React. */
const REACT = `
declare module 'react' {
  export function useEffect(effect: () => void | (() => void), dependencies?: readonly unknown[]): void;
  export function useSyncExternalStore<T>(subscribe: (onStoreChange: () => void) => () => void, getSnapshot: () => T): T;
}
declare namespace JSX {
  interface IntrinsicElements {
    p: { role?: string; children?: unknown };
  }
}
`;

/** What the tables of docs/client.md name instead of the code of another library, as one program. */
function migrations(): string {
  const [, tables = ''] = read('docs/client.md').split('## Migrating');
  const here = [...tables.matchAll(/^\| .* \| (.*) \|$/gm)].map(([, cell]) => cell!);
  const codes = here.flatMap((cell) => [...cell.matchAll(/`([^`]+)`/g)].map(([, code]) => code!));
  const calls = codes.filter((code) => /^(const off = |await )?(connect\(|socket\.|connection\.)/.test(code));
  expect(calls.length).toBeGreaterThan(12);
  return `import { connect, type RealtimeSocket } from 'nestjs-realtime-client';
    import type { Connection } from 'nestjs-realtime';
    declare const socket: RealtimeSocket;
    declare const connection: Connection;
    declare const [url, token, name, room]: [string, string, string, string];
    declare const data: object, listener: () => void, f: () => void;
    connect(url, { queue: { messages: 0 } });
    ${calls.map((call) => `{ ${call.replace('…', '{}')}; }`).join('\n')}`;
}

it('the TypeScript samples and recipes of the documentation compile, and one that does not is found', () => {
  const sources = new Map<string, string>([
    [join(folder, 'app.module.ts'), 'export class AppModule {}'],
    [join(folder, 'broken.ts'), "import { Nothing } from 'nestjs-realtime';"],
    [join(folder, 'broken-recipe.mts'), "import { Message } from 'nestjs-realtime';"],
    [join(folder, 'react.d.ts'), REACT],
    [join(folder, 'chat.contract.ts'), codeOf('docs/client.md', 'ts')[0]!.split('const socket')[0]!],
    [join(folder, 'migrations.ts'), migrations()],
  ]);
  for (const page of PAGES) {
    const name = page.replace(/\W/g, '-');
    for (const [index, code] of codeOf(page, 'ts').entries()) sources.set(join(folder, `${name}-${index}.ts`), code);
  }
  for (const [index, code] of codeOf('docs/client.md', 'tsx').entries()) {
    sources.set(join(folder, `docs-client-${index}.tsx`), code);
  }
  expect(sources.size).toBeGreaterThanOrEqual(13);
  const programs = recipes();
  expect([...programs.keys()]).toEqual([
    'session',
    'session, on Fastify',
    'JWT in a cookie',
    'Passport',
    'bearer token in the subprotocol list',
    'JWT in a browser',
    'JWKS with rotation',
  ]);
  for (const [name, code] of programs) sources.set(join(folder, `recipe-${name.replace(/\W+/g, '-')}.mts`), code);
  const whole = [...sources.keys()].filter((path) => path.endsWith('.mts'));
  expect(problemsOf(sources, new Set(whole))).toEqual([
    expect.stringMatching(/broken\.ts: .* has no exported member/),
    expect.stringMatching(/broken-recipe\.mts: .* is declared but its value is never read/),
  ]);
}, 120_000);

it('docs/testing.md shows the specs that run, and no other code', () => {
  const specs = ['user-spec', 'user-client', 'user-unit'].map((name) => `test/docs/${name}.e2e-spec.ts`).map(read);
  expect(codeOf('docs/testing.md', 'ts')).toEqual(specs.map((spec) => spec.slice(spec.indexOf('\n') + 1)));
});
