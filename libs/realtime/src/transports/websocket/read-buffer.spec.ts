import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { PassThrough } from 'node:stream';
import { READ, readIntoCommon } from './read-buffer.js';

let server: Server;
let sockets: Socket[];

/** Both ends of a new connection. */
async function open(): Promise<{ client: Socket; socket: Socket }> {
  const accepted = once(server, 'connection');
  const client = connect((server.address() as AddressInfo).port, '127.0.0.1');
  const [socket] = (await accepted) as [Socket];
  sockets.push(client, socket);
  return { client, socket };
}

beforeEach(async () => {
  sockets = [];
  server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
});

afterEach(async () => {
  for (const socket of sockets) socket.destroy();
  await new Promise((done) => server.close(done));
});

it('finds its private members in this version of Node', async () => {
  const { socket } = await open();
  expect(readIntoCommon(socket, () => true)).toBe(true);
});

it('reads all sockets into the same memory', async () => {
  const seen: string[] = [];
  for (const text of ['one', 'fourteen']) {
    const { client, socket } = await open();
    const read = new Promise<void>((resolve) => {
      readIntoCommon(socket, (length) => {
        seen.push(READ.toString('latin1', 0, length));
        resolve();
        return true;
      });
    });
    socket.resume();
    client.write(text);
    await read;
  }
  expect(seen).toEqual(['one', 'fourteen']);
});

it('calls the callback as a method of the socket, and stops reading when it returns false', async () => {
  const { client, socket } = await open();
  const chunks: string[] = [];
  let first: () => void;
  const read = new Promise<void>((resolve) => (first = resolve));
  readIntoCommon(socket, function (this: Socket, length) {
    expect(this).toBe(socket);
    chunks.push(READ.toString('latin1', 0, length));
    first();
    return false;
  });
  socket.resume();
  client.write('a');
  await read;
  await new Promise((done) => client.write('b', done));
  // A round trip of another connection: had this one been read, it would have been read before
  const other = await open();
  other.socket.write('c');
  await once(other.client, 'data');
  expect(chunks).toEqual(['a']);
  socket.pause().resume();
  const again = new Promise<void>((resolve) => (first = resolve));
  await again;
  expect(chunks).toEqual(['a', 'b']);
});

it('reports the end of the socket and the bytes read', async () => {
  const { client, socket } = await open();
  const text: string[] = [];
  readIntoCommon(socket, function (this: Socket, length) {
    return this.push(Buffer.from(READ.subarray(0, length)));
  });
  socket.on('data', (chunk: Buffer) => text.push(chunk.toString()));
  client.end('bye');
  await once(socket, 'end');
  expect([text.join(''), socket.bytesRead]).toEqual(['bye', 3]);
});

it('leaves alone a stream that is not a network socket, is closed, or is read into the buffer already', async () => {
  const { socket } = await open();
  expect(readIntoCommon(new PassThrough(), () => true)).toBe(false);
  expect([readIntoCommon(socket, () => true), readIntoCommon(socket, () => true)]).toEqual([true, false]);
  const other = (await open()).socket;
  other.destroy();
  expect(readIntoCommon(other, () => true)).toBe(false);
});
