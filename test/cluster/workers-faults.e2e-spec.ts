/** What workers do when one of them is killed, stands still, is too slow or writes rubbish, or their folder goes. */
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { once } from 'node:events';
import { MeshWorker } from '../support/apps/mesh-worker.js';
import { Links, QUICK } from '../contracts/broker-link.contract.js';
import { until } from '../support/process-guard.js';
import { BOUNDS, WorkersFolder } from '../support/workers.js';
import { header, jsonFrame, Kind } from '../../libs/realtime/src/brokers/workers/frames.js';
import { OptionsError } from '../../libs/realtime/src/errors.js';

let folder: WorkersFolder;
let links: Links;
let workers: MeshWorker[];

const start = (times = {}, bounds = BOUNDS) =>
  links.started((node) => folder.link(node, { ...QUICK, ...times }, bounds));
const process = async (node: string, times = {}) => {
  const worker = await MeshWorker.start(folder.url, node, { ...QUICK, ...times });
  workers.push(worker);
  return worker;
};
const sockets = () => readdirSync(folder.url).sort();

beforeEach(() => {
  folder = new WorkersFolder();
  links = new Links();
  workers = [];
});
afterEach(async () => {
  await links.stop();
  await Promise.all(workers.map((worker) => worker.kill()));
  await folder.stop();
});

describe('the eldest worker, which orders the messages', () => {
  it('is followed by the next one when it is killed: the others report a gap and go on', async () => {
    const eldest = await process('a');
    const [b, c] = [await process('b'), await process('c')];
    for (const worker of [b, c]) await worker.subscribe('r');
    expect(await b.publish('r', '1')).toBe(2);
    const late = Array.from({ length: 50 }, (_, index) => c.publish('r', `c${index}`));
    await eldest.kill();
    expect((await Promise.all(late)).filter((code) => code === 'unknown' || code === 'unavailable')).toEqual([]);
    expect(await b.publish('r', '2')).toBe(2);
    for (const worker of [b, c]) {
      await worker.heard('r 2');
      await worker.reported('up', 'gap');
      expect(new Set(worker.messages).size).toBe(worker.messages.length);
    }
    expect(c.messages.filter((text) => text.startsWith('r c'))).toHaveLength(50);
    // Whoever finds a socket that nobody answers removes it
    await until('the sockets', sockets, (names) => names.join() === 'b.sock,c.sock');
  });

  it('loses nothing when it leaves while all publish, and nobody reports a gap', async () => {
    const eldest = await process('a');
    const [b, c] = [await process('b'), await process('c')];
    for (const worker of [b, c]) await worker.subscribe('r');
    const published = [];
    for (let index = 0; index < 300; index++) {
      for (const [name, worker] of Object.entries({ b, c })) published.push(worker.publish('r', `${name}${index}`));
      if (index === 100) published.push(eldest.stop().then(() => 2));
    }
    expect(new Set(await Promise.all(published))).toEqual(new Set([2]));
    for (const worker of [b, c])
      await until(
        'all messages',
        () => worker.messages.length,
        (length) => length === 600,
      );
    expect(b.messages).toEqual(c.messages);
    expect([b.states, c.states]).toEqual([['up'], ['up']]);
  });

  it('is cut off when it stands still, and is a new member when it goes on', async () => {
    const eldest = await process('a', { probeTimeoutMs: 10_000 });
    const times = { timeoutMs: 300, probeIntervalMs: 200, probeTimeoutMs: 300 };
    const [b, c] = [await process('b', times), await process('c', times)];
    for (const worker of [eldest, b, c]) await worker.subscribe('r');
    eldest.signal('SIGSTOP');
    for (const worker of [b, c]) await worker.reported('up', 'gap');
    expect(await b.publish('r', '1')).toBe(2);
    expect(await c.publish('r', '2')).toBe(2);
    eldest.signal('SIGCONT');
    await eldest.reported('up', 'down', 'up', 'gap');
    expect(eldest.states[1]).toMatch(/^down: the worker [bc] has closed its connection$/);
    expect(await eldest.publish('r', '3')).toBe(3);
    for (const worker of [b, c]) {
      await worker.heard('r 3');
      expect(worker.messages).toEqual(['r 1', 'r 2', 'r 3']);
    }
    await eldest.heard('r 3');
  });
});

describe('another worker', () => {
  it('that is killed is forgotten at once, and what is published reaches the others', async () => {
    const [a, b] = [await start(), await start()];
    const other = await process('other');
    for (const { link } of [a, b]) await link.subscribe(['r']);
    await other.subscribe('r');
    expect(await b.link.publish('r', Buffer.from('1'))).toBe(3);
    await other.kill();
    await until(
      'two receivers',
      () => b.link.publish('r', Buffer.from('2')),
      (count) => count === 2,
    );
    expect([a.log.states, b.log.states]).toEqual([['up'], ['up']]);
    for (const { log } of [a, b])
      await until(
        'its end to be noticed',
        () => log.ended,
        (ended) => ended.length === 1,
      );
    await b.link.stop();
    await until(
      'one receiver',
      () => a.link.publish('r', Buffer.from('3')),
      (count) => count === 1,
    );
    // One that says goodbye has not ended without a word
    expect([a.log.ended, b.log.ended]).toEqual([['other'], ['other']]);
  });

  it('that stands still gets what it has missed when it goes on, if it was not too much', async () => {
    const [a, b] = [await start(), await process('b')];
    await b.subscribe('r');
    b.signal('SIGSTOP');
    for (let index = 0; index < 100; index++) expect(await a.link.publish('r', Buffer.from(String(index)))).toBe(1);
    b.signal('SIGCONT');
    await b.heard('r 99');
    expect([b.messages.length, b.states, a.log.ended]).toEqual([100, ['up'], []]);
  });

  it('that reads too slowly is cut off at the bound, and joins again and reports a gap', async () => {
    const cut: string[] = [];
    const bounds = { ...BOUNDS, maxWaitingBytes: 4 * 1024 * 1024 };
    const a = folder.link('a', QUICK, bounds);
    await links.started(() => a);
    const b = await process('b');
    await b.subscribe('r');
    const events = (a as unknown as { events: { cut?(node: string, reason: string): void } }).events;
    events.cut = (node, reason) => cut.push(`${node} ${reason}`);
    b.signal('SIGSTOP');
    for (let index = 0; index < 8; index++) await a.publish('r', Buffer.alloc(1024 * 1024, 'x'));
    expect(cut).toEqual(['b reads too slowly: more than 4194304 bytes wait for it']);
    await until(
      'nobody to be there',
      () => a.publish('r', Buffer.from('alone')),
      (count) => count === 0,
    );
    b.signal('SIGCONT');
    // The one that ordered is gone for it, and then it learns that it was cut off itself
    await b.reported('up', 'gap', 'down', 'up', 'gap');
    expect(await a.publish('r', Buffer.from('again'))).toBe(1);
    await b.heard('r again');
    expect(b.messages).not.toContain('r alone');
  });

  it('that dies in the middle of a frame leaves nothing behind', async () => {
    const { link, log } = await start();
    await link.subscribe(['r']);
    const socket = await member('half');
    socket.end(Buffer.concat([header(Kind.PUBLISH, 1000), Buffer.alloc(20)]));
    await once(socket, 'close');
    expect(await link.publish('r', Buffer.from('1'))).toBe(1);
    expect(await log.received(1)).toEqual(['r 1']);
    expect(log.states).toEqual(['up']);
  });

  it('that still accepts while it dies leaves no socket behind', async () => {
    const { link, log } = await start();
    const dying = createServer().listen(`${folder.url}/half.sock~`);
    await once(dying, 'listening');
    renameSync(`${folder.url}/half.sock~`, `${folder.url}/half.sock`);
    dying.once('connection', (socket) => {
      dying.close();
      socket.destroy();
    });
    const socket = await member('half');
    socket.write(jsonFrame(Kind.ON, { number: 1, channels: ['r'] }));
    await until(
      'the member',
      () => link.publish('r', Buffer.from('1')),
      (count) => count === 1,
    );
    socket.destroy();
    await until(
      'its end to be noticed',
      () => log.ended,
      (ended) => ended.join() === 'half',
    );
    await until('the sockets', sockets, (names) => names.join() === 'n1.sock');
  });

  it.each([
    ['an unknown kind', Buffer.from('00000001ff', 'hex')],
    ['a length above the bound', Buffer.from('7fffffff06', 'hex')],
    ['a publish without a channel', Buffer.from('0000000306ffff', 'hex')],
    ['JSON that is not', Buffer.from('00000002027b', 'hex')],
    ['interest in numbers', jsonFrame(Kind.ON, { number: 1, channels: [1] })],
  ])('that sends %s is cut off, and the process lives', async (_name, bytes) => {
    const { link, log } = await start();
    await link.subscribe(['r']);
    const socket = await member('rubbish');
    socket.write(bytes);
    await once(socket, 'close');
    expect(await link.publish('r', Buffer.from('1'))).toBe(1);
    expect(await log.received(1)).toEqual(['r 1']);
  });

  it('that sends a frame before its hello is cut off', async () => {
    await start();
    const socket = connect(`${folder.url}/n1.sock`);
    socket.resume();
    socket.write(jsonFrame(Kind.ON, { number: 1, channels: ['r'] }));
    await once(socket, 'close');
  });
});

/** A member that speaks the frames, younger than all. */
async function member(id: string): Promise<Socket> {
  const socket = connect(`${folder.url}/n1.sock`);
  socket.on('error', () => {});
  socket.resume();
  await once(socket, 'connect');
  socket.write(jsonFrame(Kind.HELLO, { id, since: Number.MAX_SAFE_INTEGER }));
  socket.write(jsonFrame(Kind.WELCOME));
  return socket;
}

describe('workers that start', () => {
  it('at the same moment are all members of each other, and hear each other from the first message on', async () => {
    for (let round = 0; round < 10; round++) {
      const all = await Promise.all(Array.from({ length: 6 }, () => start()));
      await Promise.all(all.map(({ link }) => link.subscribe(['r'])));
      const counts = await Promise.all(all.map(({ link }) => link.publish('r', Buffer.from('x'))));
      expect(counts).toEqual(Array(6).fill(6));
      for (const { log } of all) await log.received(6);
      await links.stop();
    }
  });

  it('while one is killed are members without it, and remove its socket', async () => {
    const first = await process('first');
    const launched = ['b', 'c', 'd'].map((node) => MeshWorker.launch(folder.url, node, QUICK));
    workers.push(...launched);
    await until(
      'a socket of one that starts',
      () => sockets().length,
      (count) => count > 1,
      30_000,
    );
    await first.kill();
    await Promise.all(launched.map((worker) => worker.ready()));
    for (const worker of launched) await worker.subscribe('r');
    await until(
      'all to know each other',
      () => launched[0]!.publish('r', 'x'),
      (count) => count === 3,
    );
    expect(sockets()).toEqual(['b.sock', 'c.sock', 'd.sock']);
  });

  it('remove sockets that nobody listens on, and leave alone what is not a socket of theirs', async () => {
    mkdirSync(folder.url, { mode: 0o700 });
    const server = createServer().listen(`${folder.url}/dead.sock~`);
    await once(server, 'listening');
    renameSync(`${folder.url}/dead.sock~`, `${folder.url}/dead.sock`);
    server.close();
    writeFileSync(`${folder.url}/notes.txt`, '');
    await start();
    expect(sockets()).toEqual(['n1.sock', 'notes.txt']);
  });

  it('do not wait longer than the deadline for one that accepts and says nothing', async () => {
    mkdirSync(folder.url, { mode: 0o700 });
    const mute = createServer().listen(`${folder.url}/mute.sock`);
    await once(mute, 'listening');
    const { link, log } = await start({ timeoutMs: 100 });
    await link.subscribe(['r']);
    expect([await link.publish('r', Buffer.from('1')), log.states]).toEqual([1, ['up']]);
    mute.close();
  });

  it('refuse a folder that is not private', async () => {
    mkdirSync(folder.url, { mode: 0o755 });
    await expect(start()).rejects.toThrow(OptionsError);
    expect(sockets()).toEqual([]);
  });

  it('start alone where the folder cannot be made, and join as soon as it can', async () => {
    writeFileSync(folder.url, '');
    const { link, log } = await start();
    expect([link.isUp, log.states]).toEqual([false, ['down']]);
    rmSync(folder.url);
    await log.reported('down', 'up');
    expect(await link.publish('r', Buffer.from('1'))).toBe(0);
  });
});

it('a worker whose socket was removed makes a new one, so that new workers find it', async () => {
  const { link, log } = await start({ probeIntervalMs: 20 });
  await link.subscribe(['r']);
  rmSync(`${folder.url}/n1.sock`);
  await log.reported('up', 'down', 'up', 'gap');
  expect([log.reasons, existsSync(`${folder.url}/n1.sock`)]).toEqual([['its socket was removed'], true]);
  const other = await start();
  expect(await other.link.publish('r', Buffer.from('1'))).toBe(1);
  expect(await log.received(1)).toEqual(['r 1']);
});
