/** The recipes of docs/handshake.md run in a process of their own, and do what the page says. samples compiles them. */
import { type ChildProcess, fork } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import jwt from 'jsonwebtoken';
import { TestClient } from 'nestjs-realtime/testing';
import ts from 'typescript';
import { refusalOf } from '../support/clients/handshake.js';
import { recipes, ROOT } from '../support/docs.js';
import { within } from '../support/process-guard.js';
import { cookieOf } from '../support/apps/sessions.js';

const LISTEN = 'await app.listen(3000);\n';
const TELL = `await app.listen(0, '127.0.0.1');
process.on('disconnect', () => process.exit());
process.send!({ port: (app.getHttpServer().address() as { port: number }).port });
`;
let folder: string;
const files = new Map<string, string>();

beforeAll(async () => {
  folder = await mkdtemp(join(ROOT, 'node_modules', '.handshake-recipes-'));
  for (const [name, code] of recipes()) {
    if (code.split(LISTEN).length !== 2) throw new Error(`The recipe "${name}" does not end with ${LISTEN}`);
    const path = join(folder, `${name.replace(/\W+/g, '-')}.mts`);
    await writeFile(path, code.replace(LISTEN, TELL));
    files.set(name, path);
  }
});
afterAll(() => rm(folder, { recursive: true }));

function options(): ts.CompilerOptions {
  const config = ts.readConfigFile(join(ROOT, 'tsconfig.json'), (path) => ts.sys.readFile(path)).config as object;
  return { ...ts.parseJsonConfigFileContent(config, ts.sys, ROOT).options, rootDir: ROOT, types: ['node'] };
}

describe('A recipe of docs/handshake.md', () => {
  const SECRET = 'the secret of the tests';
  let child: ChildProcess;
  let output: string;
  let port: number;

  async function run(name: string, more: Record<string, string> = {}): Promise<void> {
    const source = await readFile(files.get(name)!, 'utf8');
    const path = files.get(name)!.replace('.mts', '.mjs');
    const { ESNext: module } = ts.ModuleKind;
    await writeFile(
      path,
      ts.transpileModule(source, { compilerOptions: { ...options(), module, sourceMap: false } }).outputText,
    );
    const env = { ...process.env, NODE_OPTIONS: '', JWT_SECRET: SECRET, ROBOT_TOKEN: SECRET, ...more };
    child = fork(path, { env, execArgv: [], stdio: ['ignore', 'pipe', 'pipe', 'ipc'] });
    output = '';
    for (const stream of [child.stdout!, child.stderr!])
      stream.on('data', (chunk: Buffer) => (output += String(chunk)));
    const died = once(child, 'exit').then(() => Promise.reject(new Error(`The recipe has ended:\n${output}`)));
    died.catch(() => {});
    const [message] = (await within(20_000, 'the recipe to listen', Promise.race([once(child, 'message'), died]))) as [
      { port: number },
    ];
    ({ port } = message);
  }
  afterEach(async () => {
    const exited = once(child, 'exit');
    child.disconnect();
    await within(5000, 'the recipe to end', exited);
  });

  const connect = (headers: Record<string, string> = {}, protocols: string[] = []) =>
    TestClient.connect(`ws://127.0.0.1:${port}/ws`, { headers, protocols });
  const http = (path: string, init?: RequestInit) => fetch(`http://127.0.0.1:${port}${path}`, init);
  const sign = (claims: object) => jwt.sign({ sub: '7', name: 'Ann', ...claims }, SECRET);

  it.each(['session', 'session, on Fastify'])(
    'the recipe for %s admits a user who has logged in, and counts the visits',
    async (name) => {
      await run(name);
      expect(await refusalOf(connect())).toMatchObject({ status: 401, body: expect.stringContaining('Log in first') });
      const headers = { 'Content-Type': 'application/json' };
      const login = await http('/login', { method: 'POST', headers, body: '{"name":"Ann"}' });
      const cookie = cookieOf(login.headers.get('set-cookie'));
      for (const visit of [1, 2]) {
        const client = await connect({ cookie });
        expect(await client.next()).toBe(`Welcome Ann, visit ${visit}`);
        await client.close();
      }
    },
    30_000,
  );

  it('the recipe for a JWT in a cookie admits a valid token and closes the connection when it expires', async () => {
    await run('JWT in a cookie');
    for (const token of ['', 'nonsense', jwt.sign({ sub: '7' }, 'another secret'), sign({ exp: 1 })]) {
      expect(await refusalOf(connect({ cookie: `token=${token}` }))).toMatchObject({ status: 401 });
    }
    const client = await connect({ cookie: `token=${sign({ exp: Math.floor(Date.now() / 1000) + 2 })}` });
    expect(await client.next()).toBe('Welcome Ann');
    expect((await client.closed()).code).toBe(4502);
  }, 30_000);

  it('the recipe for Passport guards routes and gateways alike', async () => {
    await run('Passport');
    const refused = await refusalOf(connect());
    const route = await http('/profile');
    expect([refused.status, refused.body]).toEqual([route.status, await route.text()]);
    expect(refused.status).toBe(401);
    const authorization = `Bearer ${sign({})}`;
    expect(await (await http('/profile', { headers: { authorization } })).json()).toEqual({ id: '7', name: 'Ann' });
    expect(await (await connect({ authorization })).next()).toBe('Welcome user 7');
  }, 30_000);

  it('the recipe for a bearer token in the subprotocol list admits the token and never repeats it', async () => {
    await run('bearer token in the subprotocol list');
    const bearer = `bearer.${Buffer.from(SECRET).toString('base64url')}`;
    for (const protocols of [['chat'], ['chat', 'bearer.bm9ib2R5'], [bearer]]) {
      expect(await refusalOf(connect({}, protocols))).toMatchObject({ status: 401 });
    }
    for (const protocols of [
      ['chat', bearer],
      [bearer, 'chat'],
    ]) {
      const client = await connect({}, protocols);
      expect([client.protocol, await client.next()]).toEqual(['chat', 'Welcome robot on chat']);
    }
    expect(output).toContain('WebSocket connection opened');
    for (const secret of [SECRET, bearer, bearer.slice(7)]) expect(output).not.toContain(secret);
  }, 30_000);

  it('the recipe for JWT in a browser admits the token in every place, to routes and to every transport', async () => {
    await run('JWT in a browser');
    const bearer = `bearer.${Buffer.from(sign({})).toString('base64url')}`;
    expect(await refusalOf(connect())).toMatchObject({ status: 401 });
    expect(await (await connect({}, [bearer, 'chat'])).next()).toBe('Welcome user 7');
    expect(await (await connect({ cookie: `jwt=${sign({})}` })).next()).toBe('Welcome user 7');
    const places: [string, Record<string, string>][] = [
      ['', { authorization: `Bearer ${sign({})}` }],
      ['', { cookie: `jwt=${sign({})}` }],
      [`?access_token=${sign({})}`, {}],
    ];
    for (const [query, headers] of places) {
      expect(await (await http(`/profile${query}`, { headers })).json()).toEqual({ sub: '7' });
      const left = new AbortController();
      const accept = 'text/event-stream';
      const stream = await http(`/ws${query}`, { headers: { ...headers, accept }, signal: left.signal });
      expect(stream.status).toBe(200);
      left.abort();
    }
    expect((await http('/profile')).status).toBe(401);
  }, 30_000);

  it('the recipe for JWKS admits a key that is published later, and refuses an unknown one', async () => {
    const pair = generateKeyPairSync('rsa', { modulusLength: 2048 });
    const published: object[] = [];
    let asked = 0;
    const issuer = createServer((_request, response) => {
      asked++;
      response.end(JSON.stringify({ keys: published }));
    }).listen(0, '127.0.0.1');
    await once(issuer, 'listening');
    const url = `http://127.0.0.1:${(issuer.address() as AddressInfo).port}`;
    try {
      await run('JWKS with rotation', { ISSUER: url });
      const options = { algorithm: 'RS256', issuer: url, keyid: 'new', subject: '7' } as const;
      const authorization = `Bearer ${jwt.sign({}, pair.privateKey, options)}`;
      expect(await refusalOf(connect({ authorization: 'Bearer nonsense' }))).toMatchObject({ status: 401 });
      published.push({ ...pair.publicKey.export({ format: 'jwk' }), kid: 'new' });
      expect(await (await connect({ authorization })).next()).toBe('Welcome user 7');
      const unknown = jwt.sign({}, pair.privateKey, { ...options, keyid: 'unknown' });
      expect(await refusalOf(connect({ authorization: `Bearer ${unknown}` }))).toMatchObject({ status: 401 });
      expect(asked).toBe(1);
    } finally {
      issuer.close();
    }
  }, 30_000);
});
