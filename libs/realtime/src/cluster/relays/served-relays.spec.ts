import { jest } from '@jest/globals';
import type { RelayedRequest, ServedResponse } from '../../relay.js';
import type { RelayControl } from './relay-messages.js';
import { ServedRelays } from './served-relays.js';

const REQUEST: RelayedRequest = {
  ...{ tokenDigest: 't', ownerDigests: [], path: '/ws', transport: 'sse', position: 7, salt: 's' },
};

/** The client, as the serving node sees it. */
class Response implements ServedResponse {
  readonly seen: string[] = [];
  readonly taken: (() => void)[] = [];
  closed: () => void = () => {};

  begin(headers: Readonly<Record<string, string>>): void {
    this.seen.push(`begin ${JSON.stringify(headers)}`);
  }

  write(bytes: Buffer, taken: () => void): void {
    this.seen.push(`write ${bytes.toString()}`);
    this.taken.push(taken);
  }

  end(): void {
    this.seen.push('end');
  }

  cut(): void {
    this.seen.push('cut');
    this.closed();
  }

  onClose(listener: () => void): void {
    this.closed = listener;
  }
}

let sent: [string, RelayControl][];
let notes: string[];
let response: Response;
let relays: ServedRelays;

beforeEach(() => {
  jest.useFakeTimers();
  [sent, notes, response] = [[], [], new Response()];
  relays = new ServedRelays(
    { openMs: 2000, maxRelays: 2, windowBytes: 10 },
    (to, control) => void sent.push([to, control]),
    () => 3,
    { full: (count) => void notes.push(`full ${count}`), cut: (reason) => void notes.push(`cut ${reason}`) },
  );
});
afterEach(() => jest.useRealTimers());

const open = (of = response) => relays.open('b', REQUEST, of);
const data = (seq: number, text = `p${seq}`, from = 'b') =>
  relays.data(from, { id: '1', seq, bytes: Buffer.from(text) });
const opened = () => relays.received('b', { type: 'opened', id: '1', era: 0 });
const begun = () => {
  opened();
  relays.received('b', { type: 'head', id: '1', headers: { 'content-type': 'x' } });
};
const saysLeft = ['b', { type: 'left', id: '1' }];

it('asks the owner, with credit and its own era', () => {
  void open();
  expect(sent).toEqual([['b', { ...REQUEST, type: 'open', id: '1', credit: 10, era: 3 }]]);
  expect(relays.size).toBe(1);
});

it('serves the response of the owner, and says when the client has had it', async () => {
  const served = open();
  begun();
  expect(await served).toBe('served');
  data(1);
  data(2);
  relays.received('b', { type: 'end', id: '1', seq: 2, status: 200 });
  expect(response.seen).toEqual(['begin {"content-type":"x"}', 'write p1', 'write p2', 'end']);
  expect(sent).toHaveLength(1);
  response.closed();
  expect(sent[1]).toEqual(saysLeft);
  expect(relays.size).toBe(0);
});

it('leaves the response alone when the owner answers with a status', async () => {
  const served = open();
  relays.received('b', { type: 'end', id: '1', seq: 0, status: 409, message: 'No', retryAfter: 1 });
  expect(await served).toEqual({ status: 409, message: 'No', retryAfter: 1 });
  expect(response.seen).toEqual([]);
  response.closed();
  expect(sent).toHaveLength(1);
});

it('resolves with nothing when the owner has not answered in time, and tells it', async () => {
  const served = open();
  jest.advanceTimersByTime(2000);
  expect(await served).toBeUndefined();
  expect(sent[1]).toEqual(saysLeft);
  begun();
  expect(response.seen).toEqual([]);
  expect(sent.slice(2)).toEqual([saysLeft, saysLeft]);
});

it('waits for as long as a poll is held once the owner has taken it', async () => {
  const served = open();
  opened();
  jest.advanceTimersByTime(100_000);
  expect(await served).toBe('served');
  expect(response.seen).toEqual([]);
  begun();
  expect(response.seen).toEqual(['begin {"content-type":"x"}']);
});

it.each<[string, () => void]>([
  ['a part is missing', () => data(2)],
  ['a part comes twice', () => (data(1), data(1))],
  ['the end has another number', () => relays.received('b', { type: 'end', id: '1', seq: 1, status: 200 })],
  ['it begins twice', () => relays.received('b', { type: 'head', id: '1', headers: {} })],
])('cuts the response when %s', (_what, act) => {
  void open();
  begun();
  act();
  expect(response.seen.at(-1)).toBe('cut');
  expect(notes).toEqual(['cut hole']);
  expect(sent.at(-1)).toEqual(saysLeft);
  expect(relays.size).toBe(0);
});

it('cuts a response whose head was lost', () => {
  void open();
  opened();
  data(1);
  expect(response.seen).toEqual(['cut']);
});

it.each<[string, () => void, string[]]>([
  ['is lost', () => relays.lost('b'), ['cut node']],
  ['has begun another era', () => relays.isIn('b', 1), ['cut broker']],
  ['does not have the relay any longer', () => relays.received('b', { type: 'gone', id: '1' }), []],
])('cuts the response when the owner %s', (_what, act, expected) => {
  void open();
  begun();
  act();
  expect(response.seen.at(-1)).toBe('cut');
  expect(notes).toEqual(expected);
});

it('has the request answered by somebody else when the owner is lost before it has answered', async () => {
  const served = open();
  relays.lost('b');
  expect(await served).toBeUndefined();
  expect(response.seen).toEqual([]);
});

it('goes on while the owner stays in its era, and while other nodes are lost', () => {
  void open();
  begun();
  relays.isIn('b', 0);
  relays.isIn('c', 5);
  relays.lost('c');
  data(1);
  expect(response.seen.at(-1)).toBe('write p1');
});

it('cuts all responses when frames may have been lost', async () => {
  const served = open();
  begun();
  const other = new Response();
  const asked = open(other);
  relays.reset();
  expect(response.seen.at(-1)).toBe('cut');
  expect([await served, await asked]).toEqual(['served', undefined]);
  expect(relays.size).toBe(0);
});

it('gives credit for what the network has taken, half of the window at a time', () => {
  void open();
  begun();
  data(1, 'abcd');
  data(2, 'efgh');
  response.taken[0]!();
  expect(sent).toHaveLength(1);
  response.taken[1]!();
  expect(sent[1]).toEqual(['b', { type: 'credit', id: '1', bytes: 8 }]);
});

it('gives no credit for a response that is over', () => {
  void open();
  begun();
  data(1, 'abcdefgh');
  response.closed();
  response.taken[0]!();
  expect(sent.slice(1)).toEqual([saysLeft]);
});

it('tells the owner when the client leaves', async () => {
  const served = open();
  response.closed();
  expect(await served).toBe('served');
  expect(sent[1]).toEqual(saysLeft);
});

it('refuses one relay more than there may be', async () => {
  void open();
  void open(new Response());
  expect(await open(new Response())).toMatchObject({ status: 503, retryAfter: 1 });
  expect(notes).toEqual(['full 2']);
  expect(sent).toHaveLength(2);
});

it('takes nothing from a node that is not the owner, and tells it once', () => {
  void open();
  begun();
  data(1, 'x', 'c');
  relays.received('c', { type: 'end', id: '1', seq: 0, status: 200 });
  relays.received('c', { type: 'gone', id: '1' });
  expect(response.seen).toHaveLength(1);
  expect(sent.slice(1)).toEqual([
    ['c', { type: 'left', id: '1' }],
    ['c', { type: 'left', id: '1' }],
  ]);
});

it.each([
  ['is lost', () => relays.lost('b')],
  ['has begun another era', () => relays.isIn('b', 1)],
  ['may have lost frames', () => relays.reset()],
  ['is gone, as in a shutdown', () => relays.received('b', { type: 'gone', id: '1' })],
])('does not cut a response that has ended when its owner %s: the last bytes are on their way out', (_, happens) => {
  void open();
  begun();
  data(1);
  relays.received('b', { type: 'end', id: '1', seq: 1, status: 200 });
  happens();
  expect(response.seen.slice(-2)).toEqual(['write p1', 'end']);
  expect(notes).toEqual([]);
  response.closed();
  expect(sent.at(-1)).toEqual(saysLeft);
  expect(relays.size).toBe(0);
});

it('cuts a response that has ended when the client does not take the rest in time, however often the owner is found gone', () => {
  void open();
  begun();
  relays.received('b', { type: 'end', id: '1', seq: 0, status: 200 });
  relays.isIn('b', 1);
  jest.advanceTimersByTime(1500);
  for (const again of [() => relays.isIn('b', 1), () => relays.reset(), () => relays.lost('b')]) again();
  jest.advanceTimersByTime(499);
  expect(response.seen.at(-1)).toBe('end');
  jest.advanceTimersByTime(2);
  expect(response.seen.at(-1)).toBe('cut');
  expect(relays.size).toBe(0);
});
