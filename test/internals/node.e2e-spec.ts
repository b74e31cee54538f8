/**
 * What this library knows of Node's HTTP server and sockets beyond their documentation. Each of it stays in the file that
 * needs it (docs/architecture.md, "What is not public"): a new version of Node that changes it fails here, by name.
 */
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, ServerResponse } from 'node:http';
import { type AddressInfo, connect as connectTcp, type Socket } from 'node:net';
import { Writable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { promisify } from 'node:util';
import { connect as connectTls, createServer as createSecureServer } from 'node:tls';
import { Frame } from '../../libs/realtime/src/frame.js';
import { encodeFrame } from '../../libs/realtime/src/transports/websocket/encode.js';
import { READ, readIntoCommon } from '../../libs/realtime/src/transports/websocket/read-buffer.js';
import { writeAtOnce } from '../../libs/realtime/src/transports/websocket/write-buffer.js';
import { RawSocket, upgradeRequest } from '../support/clients/raw-socket.js';
import { until } from '../support/process-guard.js';

const run = promisify(execFile);
const pem = (name: string) => readFileSync(new URL(`../fixtures/tls/${name}.pem`, import.meta.url));

let server: Server;
let port: number;
let clients: RawSocket[];

const connect = async () => {
  const client = await RawSocket.connect(port);
  clients.push(client);
  return client;
};

beforeEach(async () => {
  clients = [];
  server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  port = (server.address() as AddressInfo).port;
});

afterEach(async () => {
  for (const { socket } of clients) socket.destroy();
  server.closeAllConnections();
  await new Promise((closed) => server.close(closed));
});

it('an accepted socket has the members by which it is read into a buffer of ours', async () => {
  const upgraded = once(server, 'upgrade');
  const client = await connect();
  client.send(upgradeRequest());
  const [, socket] = (await upgraded) as [IncomingMessage, Socket];
  const read = new Promise<string>((resolve) => {
    const isTaken = readIntoCommon(socket, (length) => {
      resolve(READ.toString('latin1', 0, length));
      return true;
    });
    expect(isTaken).toBe(true);
  });
  socket.resume();
  client.send('after the handshake');
  expect(await read).toBe('after the handshake');
  socket.destroy();
});

it('large buffers are taken from memory that the process keeps, once it has freed one large block', async () => {
  const file = new URL('../../libs/realtime/dist/esm/transports/websocket/freed-memory.js', import.meta.url).href;
  const isTakenFromHeap = async (first: string) => {
    const script = `
      import { readFileSync } from 'node:fs';
      const { keepFreedMemory } = await import('${file}');
      const end = () => parseInt(/-(\\w+) .*\\[heap\\]$/m.exec(readFileSync('/proc/self/maps', 'utf8'))[1], 16);
      ${first}
      gc();
      const before = end();
      const buffers = [];
      // V8 frees the block in another thread, so the first of them may be too early
      while (end() < before + 1024 * 1024 && buffers.length < 500) {
        buffers.push(Buffer.allocUnsafeSlow(1024 * 1024));
        await new Promise(setImmediate);
      }
      console.log(buffers.length < 500);`;
    const { stdout } = await run(process.execPath, ['--expose-gc', '--input-type=module', '-e', script], {
      timeout: 30_000,
    });
    return stdout.trim();
  };
  expect(await isTakenFromHeap('')).toBe('false');
  expect(await isTakenFromHeap('keepFreedMemory();')).toBe('true');
});

describe.each(['a network socket', 'a TLS socket'])('%s', (kind) => {
  it('has handed on the bytes of a write when nothing waits in it, so that their memory can be used again', async () => {
    const isSecure = kind === 'a TLS socket';
    const secure = createSecureServer({ key: pem('key'), cert: pem('cert') }).listen(0, '127.0.0.1');
    await once(secure, 'listening');
    const listening = isSecure ? secure : server;
    const pair = async () => {
      const accepted = once(listening, isSecure ? 'secureConnection' : 'connection');
      const to = { port: (listening.address() as AddressInfo).port, host: '127.0.0.1' };
      const client = isSecure ? connectTls({ ...to, rejectUnauthorized: false }) : connectTcp(to);
      const [socket] = (await accepted) as [Socket];
      return { client, socket };
    };
    const slow = await pair();
    const other = await pair();
    const frames: Buffer[] = [];
    // The client reads nothing before the system's buffers are full
    while (slow.socket.writableLength === 0) {
      const frame = new Frame(String(frames.length).padEnd(20_000, '.'));
      frames.push(encodeFrame(frame));
      writeAtOnce(slow.socket, frame);
      writeAtOnce(other.socket, new Frame('!'.repeat(20_000)));
      other.client.resume();
    }
    slow.socket.end();
    other.socket.end();
    const read = await buffer(slow.client);
    expect(read.equals(Buffer.concat(frames))).toBe(true);
    secure.close();
  });
});

it('the HTTP server hands out an upgrade through its emit, as soon as somebody listens', async () => {
  const seen: (string | symbol)[] = [];
  const { emit } = server;
  const taken = new Promise<Socket>((resolve) => {
    server.emit = (event: string | symbol, ...args: unknown[]): boolean => {
      seen.push(event);
      if (event === 'upgrade') resolve(args[1] as Socket);
      return event === 'upgrade' || (Reflect.apply(emit, server, [event, ...args]) as boolean);
    };
  });
  server.on('upgrade', () => seen.push('listener'));
  (await connect()).send(upgradeRequest());
  (await taken).destroy();
  expect(seen).toEqual(['connection', 'upgrade']);
});

it('an HTTP server that has a shouldUpgradeCallback asks it, and hands out as a request what that declines', async () => {
  const asking = server as Server & { shouldUpgradeCallback?: (request: IncomingMessage) => boolean };
  const isAsking = typeof asking.shouldUpgradeCallback === 'function';
  // Later versions of Node 22 have it too; without it, Node 26 would not let a request with a body be read again
  expect(isAsking || parseInt(process.versions.node) < 26).toBe(true);
  asking.shouldUpgradeCallback = ({ headers }) => headers.upgrade !== 'h2c';
  const taken: string[] = [];
  server.on('upgrade', ({ headers }, socket) => {
    taken.push(`upgrade ${headers.upgrade}`);
    socket.destroy();
  });
  server.on('request', ({ headers, method }, response) => {
    taken.push(`request ${headers.upgrade} ${method}`);
    response.end();
  });
  (await connect()).send(
    'POST / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: h2c\r\nContent-Length: 2\r\n\r\nhi',
  );
  await until(
    'the first',
    () => taken.length,
    (count) => count === 1,
  );
  (await connect()).send(upgradeRequest());
  await until(
    'the second',
    () => taken.length,
    (count) => count === 2,
  );
  expect(taken).toEqual([isAsking ? 'request h2c POST' : 'upgrade h2c', 'upgrade websocket']);
});

it('a socket has the response that is being written to it as _httpMessage, and null after it', async () => {
  const requested = once(server, 'request');
  const client = await connect();
  client.send('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n');
  const [{ socket }, response] = (await requested) as [IncomingMessage, ServerResponse];
  expect(Reflect.get(socket, '_httpMessage')).toBe(response);
  response.end();
  await once(response, 'close');
  expect(Reflect.get(socket, '_httpMessage')).toBeNull();
});

it('a response writes to any Writable that is assigned as its socket, and finishes before it is detached', async () => {
  const upgraded = once(server, 'upgrade');
  (await connect()).send(upgradeRequest());
  const [request, socket] = (await upgraded) as [IncomingMessage, Socket];
  const written: string[] = [];
  const writable = new Writable({
    write(chunk: Buffer, _encoding, done) {
      written.push(chunk.toString());
      done();
    },
  }) as Writable & Socket;
  const response = new ServerResponse(request);
  response.shouldKeepAlive = false;
  response.assignSocket(writable);
  const finished = once(response, 'finish');
  response.writeHead(403, { 'Content-Length': 2 }).end('no');
  await finished;
  response.detachSocket(writable);
  expect(written.join('')).toMatch(/^HTTP\/1\.1 403 Forbidden\r\n.*\r\nConnection: close\r\n.*no$/s);
  expect([response.socket, writable.destroyed]).toEqual([null, false]);
  socket.destroy();
});

it('a TLS connection has the accepted network connection as _parent', async () => {
  const key = Buffer.alloc(16, 1);
  const psk = { ciphers: 'PSK', maxVersion: 'TLSv1.2' } as const;
  const secure = createSecureServer({ ...psk, pskCallback: () => key } as object).listen(0, '127.0.0.1');
  await once(secure, 'listening');
  const accepted = once(secure, 'connection');
  const secured = once(secure, 'secureConnection');
  const { port } = secure.address() as AddressInfo;
  const pskCallback = () => ({ psk: key, identity: 'test' });
  const client = connectTls({ ...psk, port, host: '127.0.0.1', pskCallback, checkServerIdentity: () => undefined });
  const [[wire], [socket]] = (await Promise.all([accepted, secured])) as [[Socket], [Socket]];
  expect(Reflect.get(socket, '_parent')).toBe(wire);
  client.destroy();
  secure.close();
});

it('a response that has ended ignores writes once the Writable that is its socket has closed', async () => {
  const upgraded = once(server, 'upgrade');
  (await connect()).send(upgradeRequest());
  const [request, socket] = (await upgraded) as [IncomingMessage, Socket];
  const writable = new Writable({ write: (_chunk, _encoding, done) => done() }) as Writable & Socket;
  const response = new ServerResponse(request);
  response.assignSocket(writable);
  const closed = once(response, 'close');
  response.end('no');
  await once(response, 'finish');
  writable.destroy();
  await closed;
  expect([response.destroyed, response.closed]).toEqual([true, true]);
  // An error event without a listener would end the process
  const error = await new Promise((resolve) => response.write('late', resolve));
  expect(error).toMatchObject({ code: 'ERR_STREAM_WRITE_AFTER_END' });
  socket.destroy();
});
