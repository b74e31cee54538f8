import { PassThrough, Readable } from 'node:stream';
import { jest } from '@jest/globals';
import { FakeExchange } from '../../../../../test/support/fakes/fake-exchange.js';
import { readMessages } from './request-body.js';

const BOUNDS = { maxMessageBytes: 100, maxQueuedMessages: 3, messageTimeout: 60 };
const reached: string[] = [];
const limits = { reached: (name: string) => Boolean(reached.push(name)) };

const read = (type: string, body: Readable | string, parsed?: unknown, of = limits) =>
  readMessages(
    new FakeExchange({
      headers: { 'content-type': type },
      body: typeof body === 'string' ? Readable.from([Buffer.from(body)]) : body,
      parsed,
    }),
    BOUNDS,
    of,
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
    const report = { reached: () => false };
    expect(await texts('text/plain', 'x'.repeat(500), undefined, report as never)).toEqual(['x'.repeat(500)]);
    expect(await texts('application/json', '["1","2","3","4"]', undefined, report as never)).toHaveLength(4);
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
});
