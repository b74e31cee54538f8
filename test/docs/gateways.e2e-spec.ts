/** The documentation of gateways: its code compiles, its sample is the one that runs, its frames are those that are sent. */
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const read = (path: string) => readFileSync(join(ROOT, path), 'utf8');
const codeOf = (page: string) => [...read(`docs/${page}.md`).matchAll(/^```ts\n(.*?)^```/gms)].map(([, code]) => code!);

/** Type-checks sources as if they stood in test/, where a neighbour app.module.ts is. @returns what is wrong */
function problemsOf(sources: ReadonlyMap<string, string>): string[] {
  const config = ts.readConfigFile(join(ROOT, 'tsconfig.json'), (path) => ts.sys.readFile(path)).config as object;
  const { options } = ts.parseJsonConfigFileContent(config, ts.sys, ROOT);
  const host = ts.createCompilerHost(options);
  const { readFile, fileExists } = host;
  host.fileExists = (path) => sources.has(path) || fileExists(path);
  host.readFile = (path) => sources.get(path) ?? readFile(path);
  const program = ts.createProgram([...sources.keys()], { ...options, noEmit: true, noUnusedLocals: false }, host);
  return [...sources.keys()].flatMap((path) => {
    const file = program.getSourceFile(path)!;
    const found = [...program.getSyntacticDiagnostics(file), ...program.getSemanticDiagnostics(file)];
    return found.map(({ messageText }) => `${path}: ${ts.flattenDiagnosticMessageText(messageText, '\n')}`);
  });
}

it('has code that compiles', () => {
  const pages = ['gateways', 'enhancers', 'testing', 'migrating'];
  const folder = join(ROOT, 'test');
  const sources = new Map<string, string>([[join(folder, 'app.module.ts'), 'export class AppModule {}']]);
  for (const page of pages) {
    for (const [index, code] of codeOf(page).entries()) sources.set(join(folder, `docs-${page}-${index}.ts`), code);
  }
  expect(sources.size).toBeGreaterThanOrEqual(8);
  expect(problemsOf(sources)).toEqual([]);
  const broken = new Map([[join(folder, 'broken.ts'), "import { Nothing } from 'nestjs-realtime';"]]);
  expect(problemsOf(broken)).toEqual([expect.stringContaining('has no exported member')]);
}, 120_000);

it('shows the spec that runs', () => {
  const spec = read('test/docs/user-spec.e2e-spec.ts');
  expect(codeOf('testing')[0]).toBe(spec.slice(spec.indexOf('\n') + 1));
});

it('links to pages and headings that are there', () => {
  const anchorOf = (heading: string) =>
    heading
      .toLowerCase()
      .replace(/[^\w\s-]/g, '')
      .trim()
      .replace(/\s/g, '-');
  for (const page of ['gateways', 'enhancers', 'testing', 'migrating']) {
    for (const [, link] of read(`docs/${page}.md`).matchAll(/\]\(([^):]+)\)/g)) {
      const [file = '', anchor] = link!.split('#');
      const target = read(join(dirname(`docs/${page}.md`), file || `${page}.md`));
      const anchors = [...target.matchAll(/^#+ (.*)$/gm)].map(([, heading]) => anchorOf(heading!));
      if (anchor) expect(anchors).toContain(anchor);
    }
  }
});
