import type { Outcome, RelayedRequest, SealedAnswer } from '../../relay.js';
import { OwnedRelays } from './owned-relays.js';
import type { OpenRelay } from './relay-messages.js';

const REQUEST: RelayedRequest = {
  ...{ tokenDigest: 't', ownerDigests: [], path: '/ws', transport: 'sse', position: 7, salt: 's' },
};
const OPEN: OpenRelay = { ...REQUEST, type: 'open', id: '1', credit: 100, era: 0 };

let sent: string[];
let tasks: (() => void)[];
let answers: SealedAnswer[];
let outcome: Outcome | undefined;
let act: (answer: SealedAnswer) => void;
let requests: RelayedRequest[];
let closes: number;
let relays: OwnedRelays;
const turn = () => tasks.splice(0).forEach((task) => task());

beforeEach(() => {
  [sent, tasks, answers, requests, outcome, closes] = [[], [], [], [], undefined, 0];
  act = () => {};
  const owner = {
    take: () => ({ status: 204 }),
    superseded: () => {},
    open: (request: RelayedRequest, answer: SealedAnswer) => {
      requests.push(request);
      answers.push(answer);
      answer.onClose(() => closes++);
      act(answer);
      return outcome;
    },
  };
  const lines = {
    control: (to: string, control: object) => void sent.push(`${to} ${JSON.stringify(control)}`),
    data: (to: string, { id, seq, bytes }: { id: string; seq: number; bytes: Buffer }) =>
      void sent.push(`${to} ${id} ${seq} ${bytes.toString()}`),
    soon: (task: () => void) => void tasks.push(task),
    era: () => 4,
    full: (count: number) => void sent.push(`full ${count}`),
  };
  relays = new OwnedRelays({ maxRelays: 2 }, lines, () => owner);
});

const OPENED = 'a {"type":"opened","id":"1","era":4}';
const GONE = 'a {"type":"gone","id":"1"}';

it('opens the request and says so, before there is a response', () => {
  relays.open('a', OPEN);
  expect(requests).toEqual([REQUEST]);
  expect(sent).toEqual([OPENED]);
});

it('writes a stream as numbered parts, sealed in their order', () => {
  act = (answer) => {
    answer.sealWith((bytes) => Buffer.from(bytes.toString().toUpperCase()));
    answer.header('Content-Type', 'x');
    answer.stream().write('one');
  };
  relays.open('a', OPEN);
  turn();
  answers[0]!.stream().write('two');
  turn();
  expect(sent).toEqual([OPENED, 'a {"type":"head","id":"1","headers":{"content-type":"x"}}', 'a 1 1 ONE', 'a 1 2 TWO']);
});

it('writes the answer to a poll, and ends it with the number of its last part', async () => {
  relays.open('a', OPEN);
  answers[0]!.send(200, 'batch');
  turn();
  await new Promise(setImmediate);
  expect(sent.slice(2)).toEqual(['a 1 1 batch', 'a {"status":200,"type":"end","id":"1","seq":1}']);
  expect(closes).toBe(0);
  relays.left('a', '1');
  expect([closes, relays.size]).toEqual([1, 0]);
});

it('answers with a status where the owner refuses, and forgets the relay', () => {
  outcome = { status: 409, message: 'No' };
  relays.open('a', OPEN);
  expect(sent).toEqual(['a {"status":409,"message":"No","type":"end","id":"1","seq":0}']);
  expect(relays.size).toBe(0);
});

it('ends with 204 where the answer has no body', () => {
  act = (answer) => answer.send(204);
  relays.open('a', OPEN);
  expect(sent).toEqual(['a {"status":204,"type":"end","id":"1","seq":0}']);
});

it('opens a request that comes twice once', () => {
  relays.open('a', OPEN);
  relays.open('a', OPEN);
  expect(requests).toHaveLength(1);
});

it('waits for credit, and goes on with more', () => {
  relays.open('a', { ...OPEN, credit: 2 });
  answers[0]!.stream().write('abc');
  turn();
  relays.credit('a', '1', 5);
  turn();
  expect(sent.slice(2)).toEqual(['a 1 1 ab', 'a 1 2 c']);
});

it('says that it does not have a relay that gets credit', () => {
  relays.credit('a', '1', 5);
  expect(sent).toEqual([GONE]);
});

it('counts the client as gone when the serving node says so, and writes nothing more', () => {
  relays.open('a', OPEN);
  const [answer] = answers;
  answer!.stream().write('lost');
  relays.left('a', '1');
  turn();
  answer!.send(200, 'x');
  answer!.cut();
  expect([closes, answer!.isClosed, relays.size]).toEqual([1, true, 0]);
  expect(sent).toHaveLength(2);
});

it.each<[string, () => void]>([
  ['its node is lost', () => relays.lost('a')],
  ['its node has begun another era', () => relays.isIn('a', 1)],
  ['frames may have been lost', () => relays.reset()],
  ['the connection is cut', () => answers[0]!.cut()],
])('counts the client as gone when %s, and tells the serving node', (_what, happen) => {
  relays.open('a', OPEN);
  happen();
  expect([closes, relays.size]).toEqual([1, 0]);
  expect(sent.at(-1)).toBe(GONE);
});

it('goes on while other nodes are lost, and its own stays in its era', () => {
  relays.open('a', OPEN);
  relays.lost('b');
  relays.isIn('b', 9);
  relays.isIn('a', 0);
  expect([closes, relays.size]).toEqual([0, 1]);
});

it('tells two nodes apart that use the same id', () => {
  relays.open('a', OPEN);
  relays.open('b', OPEN);
  relays.left('b', '1');
  expect([answers[0]!.isClosed, answers[1]!.isClosed]).toEqual([false, true]);
});

it('refuses one relay more than there may be', () => {
  relays.open('a', OPEN);
  relays.open('a', { ...OPEN, id: '2' });
  relays.open('a', { ...OPEN, id: '3' });
  expect(requests).toHaveLength(2);
  expect(sent.slice(2)).toEqual(['full 2', expect.stringContaining('"status":503')]);
});
