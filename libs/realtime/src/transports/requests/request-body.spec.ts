import { PassThrough, Readable } from 'node:stream';
import { jest } from '@jest/globals';
import { FakeExchange } from '../../../../../test/support/fakes/fake-exchange.js';
import { rejection } from '../../http/refusals.js';
import { Posts } from './posts.js';
import { readMessages } from './request-body.js';

const BOUNDS = { maxMessageBytes: 100, maxQueuedMessages: 3, messageTimeout: 60 };
const reached: string[] = [];
const limits = { reached: (name: string) => Boolean(reached.push(name)), isReportOnly: false };
const POSTS = { maxPosts: 2, maxPostBytes: 150 };

const read = (
  type: string,
  body: Readable | string,
  parsed?: unknown,
  of = limits,
  bounds = BOUNDS,
  posts = new Posts({ settings: POSTS, limits: of }),
) =>
  readMessages(
    new FakeExchange({
      headers: { 'content-type': type },
      body: typeof body === 'string' ? Readable.from([Buffer.from(body)]) : body,
      parsed,
    }),
    bounds,
    of,
    posts,
  );
const texts = async (...args: Parameters<typeof read>) =>
  (await read(...args)).map(({ data, isBinary }) => (isBinary ? [...data] : data.toString()));

beforeEach(() => void (reached.length = 0));

describe('readMessages', () => {
  it('reads text as one message', async () => {
    expect(await texts('text/plain; charset=utf-8', 'hä\n["x"]')).toEqual(['hä\n["x"]']);
    expect(await texts('TEXT/PLAIN', '')).toEqual(['']);
  });

  it('reads an array as a batch and other JSON as one message', async () => {
    expect(await texts('application/json', '["a", {"binary":"AQI="}, ""]')).toEqual(['a', [1, 2], '']);
    expect(await texts('application/json', '{"event":"x", "data":1}')).toEqual(['{"event":"x","data":1}']);
    expect(await texts('application/json', '[]')).toEqual([]);
  });

  it('uses the body that a body parser has read', async () => {
    const unread = new PassThrough();
    expect(await texts('text/plain', unread, 'parsed')).toEqual(['parsed']);
    expect(await texts('text/plain', unread, Buffer.from('bytes'))).toEqual(['bytes']);
    expect(await texts('application/json', unread, ['a'])).toEqual(['a']);
    expect(await texts('application/json', unread, { a: 1 })).toEqual(['{"a":1}']);
  });

  it('reads text itself where a body parser left an empty object', async () => {
    expect(await texts('text/plain', 'text', {})).toEqual(['text']);
  });

  it.each(['', 'multipart/form-data', 'application/x-www-form-urlencoded', 'text/html', 'application/octet-stream'])(
    'refuses a body of the type "%s"',
    async (type) => {
      await expect(read(type, 'x')).rejects.toMatchObject({ status: 415 });
    },
  );

  it.each(['[1]', '[null]', '[[]]', '[{}]', '{', ''])(
    'refuses %j, which is neither a batch nor a message',
    async (body) => {
      await expect(read('application/json', body)).rejects.toMatchObject({ status: 400 });
    },
  );

  it.each(['read by itself', 'parsed by a body parser'])(
    'refuses JSON that is nested too deeply with 400, %s',
    async (by) => {
      const deep = '['.repeat(200_000) + ']'.repeat(200_000);
      const [body, parsed] = by === 'read by itself' ? [`{"a":${deep}}`] : ['', { a: JSON.parse(deep) as unknown }];
      const wide = { ...BOUNDS, maxMessageBytes: 1_000_000 };
      await expect(read('application/json', body, parsed, limits, wide)).rejects.toMatchObject({ status: 400 });
    },
  );

  it('refuses a body that is too long before its end, and reads no further', async () => {
    const endless = new PassThrough();
    endless.write('x'.repeat(101));
    await expect(read('text/plain', endless)).rejects.toMatchObject({ status: 413 });
    expect(endless.destroyed).toBe(false);
    expect(endless.isPaused()).toBe(true);
    expect(reached).toEqual(['messageBytes']);
  });

  it('refuses a parsed body that is too long, or has too many messages', async () => {
    await expect(read('text/plain', '', 'x'.repeat(101))).rejects.toMatchObject({ status: 413 });
    await expect(read('application/json', '', ['x'.repeat(101)])).rejects.toMatchObject({ status: 413 });
    await expect(read('application/json', '', ['1', '2', '3', '4'])).rejects.toMatchObject({ status: 413 });
    expect(reached).toEqual(['messageBytes', 'messageBytes', 'queuedMessages']);
  });

  it('reads too long a body where limits are only reported', async () => {
    const report = { reached: () => false, isReportOnly: true };
    expect(await texts('text/plain', 'x'.repeat(500), undefined, report)).toEqual(['x'.repeat(500)]);
    expect(await texts('application/json', '["1","2","3","4"]', undefined, report)).toHaveLength(4);
  });

  it('refuses a body that breaks off', async () => {
    const broken = new PassThrough();
    broken.write('half');
    const reading = read('text/plain', broken);
    broken.destroy();
    await expect(reading).rejects.toMatchObject({ status: 400 });
  });

  it('refuses a body that does not arrive in time', async () => {
    jest.useFakeTimers();
    const refused = expect(read('text/plain', new PassThrough())).rejects.toMatchObject({ status: 408 });
    await jest.advanceTimersByTimeAsync(60_000);
    await refused;
    expect(jest.getTimerCount()).toBe(0);
    jest.useRealTimers();
  });

  describe('the requests of one connection', () => {
    const begin = (posts: Posts, bytes: number) => {
      const body = new PassThrough();
      if (bytes > 0) body.write('x'.repeat(bytes));
      const result = read('text/plain', body, undefined, limits, BOUNDS, posts);
      result.catch(() => {});
      return { body, result };
    };
    const turn = () => new Promise(setImmediate);

    it('refuses one request too many with 429, until another has been read', async () => {
      const posts = new Posts({ settings: POSTS, limits });
      const [first] = [begin(posts, 1), begin(posts, 1)];
      await expect(begin(posts, 1).result).rejects.toMatchObject({ status: 429, headers: { 'Retry-After': '1' } });
      first.body.end();
      await first.result;
      const next = begin(posts, 1);
      next.body.end();
      expect(await next.result).toHaveLength(1);
      expect(reached).toEqual(['posts']);
    });

    it('refuses the request with which they have too many bytes, and forgets what it had sent', async () => {
      const posts = new Posts({ settings: POSTS, limits });
      const first = begin(posts, 90);
      await turn();
      const second = begin(posts, 70);
      await expect(second.result).rejects.toMatchObject({ status: 429 });
      expect(second.body.isPaused()).toBe(true);
      first.body.end();
      await first.result;
      expect(reached).toEqual(['postBytes']);
    });

    it('accepts a single request of any permitted length', async () => {
      const posts = new Posts({ settings: { ...POSTS, maxPostBytes: 10 }, limits });
      const only = begin(posts, 90);
      only.body.end();
      expect((await only.result)[0]!.data).toHaveLength(90);
    });

    it('refuses all that are being read when the connection ends', async () => {
      const posts = new Posts({ settings: POSTS, limits });
      const both = [begin(posts, 10), begin(posts, 20)];
      await turn();
      posts.refuseAll(rejection(404, 'gone'));
      for (const { result, body } of both) {
        await expect(result).rejects.toMatchObject({ status: 404 });
        expect([body.listenerCount('data'), body.isPaused()]).toEqual([0, true]);
      }
    });

    it('keep no memory of the network reads that a body arrived in', async () => {
      const read = Buffer.allocUnsafeSlow(65_536).fill('x');
      const { body, result } = begin(new Posts({ settings: POSTS, limits }), 0);
      for (let at = 0; at < 90; at++) body.write(read.subarray(at, at + 1));
      body.end();
      const { data } = (await result)[0]!;
      expect([data.length, data.buffer.byteLength]).toEqual([90, 90]);
    });
  });
});
