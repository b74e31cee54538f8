/** Reading the documentation: its pages, the code on them, their links; and type-checking that code. */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, posix } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';

export const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** The README and the index, and every page that the index has to name. */
export const PAGES: readonly string[] = readdirSync(join(ROOT, 'docs'))
  .filter((name) => name.endsWith('.md') && name !== 'README.md')
  .map((name) => `docs/${name}`);
export const INDEX = 'docs/README.md';
export const EXAMPLES = ['examples/README.md', 'examples/chat/README.md', 'examples/notifications/README.md'] as const;
export const FRONT = ['README.md', 'CONTRIBUTING.md', 'SECURITY.md', 'CHANGELOG.md'] as const;

/** @param path from the root of the repository, with slashes */
export const read = (path: string): string => readFileSync(join(ROOT, path), 'utf8');

/** The code blocks of a page in one language, in order. */
export function codeOf(path: string, language: string): string[] {
  const block = new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\``, 'gms');
  return [...read(path).matchAll(block)].map(([, code]) => code!);
}

/** The page without code, in which nothing is a link or a heading. */
export const proseOf = (path: string): string => read(path).replace(/^ *```.*?^ *```/gms, '');

/** A link within the repository. */
export interface Link {
  /** As it stands in the page. */
  readonly written: string;
  /** The file or folder, from the root. */
  readonly file: string;
  readonly anchor?: string;
}

export function linksOf(path: string): Link[] {
  const targets = [...proseOf(path).matchAll(/\]\(([^)\s]+)\)/g)].map(([, target]) => target!);
  return targets
    .filter((target) => !/^[a-z]+:/.test(target))
    .map((written) => {
      const [name = '', anchor] = written.split('#');
      return { written, file: name ? posix.normalize(posix.join(dirname(path), name)) : path, anchor };
    });
}

/** The anchors of a page as GitHub makes them, and those that it sets itself. */
export function anchorsOf(path: string): string[] {
  const text = proseOf(path);
  const headings = [...text.matchAll(/^#+ (.*)$/gm)].map(([, heading]) => slugOf(heading!));
  return [...headings, ...[...text.matchAll(/<a id="([^"]+)">/g)].map(([, id]) => id!)];
}

function slugOf(heading: string): string {
  return heading
    .toLowerCase()
    .replace(/[^\w\s-]/g, '')
    .trim()
    .replace(/\s/g, '-');
}

const FASTIFY_IMPORTS = `import cookie from '@fastify/cookie';
import session from '@fastify/session';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
`;

/** The complete programs of docs/handshake.md and docs/tokens.md by their headings; the session's also as on Fastify. */
export function recipes(): Map<string, string> {
  const found = new Map<string, string>();
  const sections = ['docs/handshake.md', 'docs/tokens.md'].flatMap((page) =>
    read(page)
      .split(/^## Recipe: /m)
      .slice(1)
      .filter((section) => section.includes('```ts')),
  );
  for (const section of sections) {
    const name = section.slice(0, section.indexOf('\n'));
    const [code, onFastify] = [...section.matchAll(/^```ts\n(.*?)^```/gms)].map(([, block]) => block!);
    found.set(name, code!);
    if (!onFastify) continue;
    const body = code!.replace(/^import session .*\n/m, '').replace(/^const app = [^]*/m, '');
    found.set(`${name}, on Fastify`, FASTIFY_IMPORTS + body + onFastify);
  }
  return found;
}

/** What the compiler says of names that are not used. */
const UNUSED = [6133, 6138, 6192, 6196, 6198, 6199];

/**
 * Type-checks sources as if they stood in test/, where a neighbour app.module.ts is.
 *
 * @param whole the paths of those that are complete, so that an unused name in them is wrong too
 * @returns what is wrong
 */
export function problemsOf(sources: ReadonlyMap<string, string>, whole: ReadonlySet<string> = new Set()): string[] {
  const config = ts.readConfigFile(join(ROOT, 'tsconfig.json'), (path) => ts.sys.readFile(path)).config as object;
  const { options } = ts.parseJsonConfigFileContent(config, ts.sys, ROOT);
  const host = ts.createCompilerHost(options);
  const { readFile, fileExists } = host;
  host.fileExists = (path) => sources.has(path) || fileExists(path);
  host.readFile = (path) => sources.get(path) ?? readFile(path);
  const program = ts.createProgram(
    [...sources.keys()],
    { ...options, noEmit: true, noUnusedLocals: true, jsx: ts.JsxEmit.Preserve },
    host,
  );
  return [...sources.keys()].flatMap((path) => {
    const file = program.getSourceFile(path)!;
    const found = [...program.getSyntacticDiagnostics(file), ...program.getSemanticDiagnostics(file)];
    const counting = found.filter(({ code }) => whole.has(path) || !UNUSED.includes(code));
    return counting.map(({ messageText }) => `${path}: ${ts.flattenDiagnosticMessageText(messageText, '\n')}`);
  });
}
