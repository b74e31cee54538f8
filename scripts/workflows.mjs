/**
 * Checks the workflows in `.github/workflows/`, or the files given as arguments. GitHub's own language server reads them as
 * GitHub will, and the rules below cover what it allows and this repository does not.
 *
 *   npm run check:workflows [-- <file> …]
 */
import { spawn } from 'node:child_process';
import { readdir, readFile } from 'node:fs/promises';
import { basename, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import rpc from 'vscode-jsonrpc/node.js';

const root = fileURLToPath(new URL('..', import.meta.url));
const folder = join(root, '.github', 'workflows');
const { scripts } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8'));

/** Each match of a pattern is a mistake. */
const RULES = [
  [/^(?!(.*\n)*permissions:)/g, 'A workflow names its permissions at the top'],
  [/^ {4}runs-on: (?!(ubuntu|macos|windows)-\d)/gm, 'A job names the version of its runner: ubuntu-24.04'],
  [/^ {4}runs-on: .*\n(?! {4}timeout-minutes: )/gm, 'A job has timeout-minutes in the line after runs-on'],
  [
    /\buses: +(?!\.\/)(?!\S+@[0-9a-f]{40} # v\d)/g,
    'An action is pinned to a commit, with its version behind it: owner/action@<40 digits> # v1.2.3',
  ],
  [/\bnpm run (?!SCRIPT\b)/g, 'package.json has no such script'],
];

/** @returns {{ line: number, message: string }[]} */
function mistakesIn(text) {
  // The name of each script in package.json becomes SCRIPT, which the pattern accepts
  const known = text.replaceAll(/(?<=\bnpm run )[\w:.-]+/g, (name) => (name in scripts ? 'SCRIPT' : name));
  return RULES.flatMap(([pattern, message]) =>
    [...known.matchAll(pattern)].map(({ index }) => ({ line: known.slice(0, index).split('\n').length, message })),
  );
}

/** The language server, which answers each document with its problems. */
async function startServer() {
  const script = join(root, 'node_modules/@actions/languageserver/bin/actions-languageserver');
  const child = spawn(process.execPath, [script, '--stdio'], { stdio: ['pipe', 'pipe', 'inherit'] });
  const reader = new rpc.StreamMessageReader(child.stdout);
  const connection = rpc.createMessageConnection(reader, new rpc.StreamMessageWriter(child.stdin));
  connection.listen();
  // Without a token the server sends no request to GitHub
  const initializationOptions = {};
  const about = { processId: process.pid, rootUri: null, capabilities: {}, initializationOptions };
  await connection.sendRequest('initialize', about);
  await connection.sendNotification('initialized', {});
  return { child, connection };
}

/** @returns {Promise<{ line: number, message: string }[]>} */
function problemsOf({ connection, child }, name, text) {
  const uri = `file:///.github/workflows/${name}`;
  const answer = new Promise((resolve, reject) => {
    child.once('exit', (code) => reject(new Error(`The language server has ended with ${code}`)));
    connection.onNotification('textDocument/publishDiagnostics', (found) => found.uri === uri && resolve(found));
  });
  void connection.sendNotification('textDocument/didOpen', {
    textDocument: { uri, languageId: 'yaml', version: 1, text },
  });
  return answer.then(({ diagnostics }) =>
    diagnostics.map(({ range, message }) => ({ line: range.start.line + 1, message })),
  );
}

async function main(files) {
  const server = await startServer();
  let problems = 0;
  try {
    for (const file of files) {
      const text = await readFile(file, 'utf8');
      const found = [...(await problemsOf(server, basename(file), text)), ...mistakesIn(text)];
      for (const { line, message } of found.sort((a, b) => a.line - b.line))
        console.error(`${relative(root, file)}:${line} ${message}`);
      problems += found.length;
    }
  } finally {
    server.child.kill();
  }
  if (problems === 0) console.log(`No problems in ${files.map((file) => basename(file)).join(', ')}`);
  return problems;
}

const named = process.argv.slice(2);
const all = async () =>
  (await readdir(folder)).filter((name) => /\.ya?ml$/.test(name)).map((name) => join(folder, name));
if ((await main(named.length > 0 ? named : await all())) > 0) process.exitCode = 1;
