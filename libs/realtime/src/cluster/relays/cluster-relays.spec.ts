import { ManualClock } from '../../../../../test/support/fakes/manual-clock.js';
import { RecordingLog } from '../../../../../test/support/fakes/recording-log.js';
import type { ForwardedRequest, RelayedRequest, SealedAnswer, ServedResponse } from '../../relay.js';
import { ClusterLog } from '../cluster-log.js';
import type { WireMessage } from '../messages.js';
import type { Letter } from '../post.js';
import { ClusterRelays, windowOf } from './cluster-relays.js';
import type { RelayControl } from './relay-messages.js';

const CLAIM = { tokenDigest: 't', ownerDigests: [] };
const REQUEST: RelayedRequest = { ...CLAIM, path: '/ws', transport: 'sse', position: 0, salt: 's' };
const FORWARD: ForwardedRequest = { ...CLAIM, path: '/ws', method: 'DELETE', messages: [] };
const SETTINGS = {
  ...{ brokerTimeout: 2, nodeLostTime: 6, maxQuestions: 10, maxRelays: 10, maxRelayBytes: 655_360 },
};

let clock: ManualClock;
let sent: [string, WireMessage][];
let link: { isUp: boolean };
let isRefused: boolean;
let known: Set<string>;
let seen: string[];
let answers: SealedAnswer[];
let relays: ClusterRelays;

beforeEach(() => {
  clock = new ManualClock();
  [sent, link, isRefused, known, seen, answers] = [[], { isUp: true }, false, new Set(['b']), [], []];
  relays = new ClusterRelays(SETTINGS, new ClusterLog(new RecordingLog()), clock);
  relays.serve({
    take: ({ method }) => ({ status: method === 'DELETE' ? 204 : 404 }),
    open: (_request, answer) => {
      answer.onClose(() => seen.push('closed'));
      answers.push(answer);
      return undefined;
    },
    superseded: ({ tokenDigest }) => void seen.push(`superseded ${tokenDigest}`),
  });
  let ids = 0;
  const post = {
    nextId: () => ++ids,
    mail: (message: WireMessage, to: string) => ({ message, to }) as unknown as Letter,
    send: async (letter: Letter) => {
      if (isRefused) throw new Error('refused');
      const { message, to } = letter as unknown as { message: WireMessage; to: string };
      return sent.push([to, message]);
    },
  };
  relays.start(post, link, { has: (id) => known.has(id), introduced: undefined });
});

const response: ServedResponse = {
  begin: () => {},
  write: () => {},
  end: () => {},
  cut: () => void seen.push('cut'),
  onClose: () => {},
};
const controls = () => sent.flatMap(([, message]) => (message.kind === 'relay' ? [message.relay.type] : []));
const hear = (relay: RelayControl) => relays.received('b', { kind: 'relay', relay });
/** One relay that this node serves, and one that another serves for it. */
const openBoth = async () => {
  const served = relays.open('b', REQUEST, response);
  hear({ type: 'opened', id: '1', era: 0 });
  hear({ ...REQUEST, type: 'open', id: '1', credit: 10, era: 0 });
  await served;
};

it('tells relays that it serves from those that others serve, although both have the same id', async () => {
  await openBoth();
  expect(relays.size).toBe(2);
  hear({ type: 'left', id: '1' });
  expect([relays.size, seen]).toEqual([1, ['closed']]);
  hear({ type: 'gone', id: '1' });
  expect([relays.size, seen]).toEqual([0, ['closed', 'cut']]);
});

it.each<[string, () => void]>([
  ['the broker is away', () => relays.down()],
  ['frames may have been lost', () => relays.endEra()],
  ['the other node is gone', () => relays.lost('b')],
  ['the other node is in another era', () => relays.isIn('b', 1)],
])('ends all relays with a node when %s', async (_what, happen) => {
  await openBoth();
  happen();
  expect([relays.size, [...seen].sort()]).toEqual([0, ['closed', 'cut']]);
});

it('ends its era when a frame cannot be published, so that the other nodes learn of it', async () => {
  await openBoth();
  isRefused = true;
  answers[0]!.header('content-type', 'x');
  answers[0]!.stream().write('lost');
  await clock.pass(0);
  expect(relays.size).toBe(0);
  expect(relays.era).toBeGreaterThan(0);
});

it('answers a request of another node', () => {
  relays.received('b', { kind: 'forward', forward: { ...FORWARD, id: 7 } });
  expect(sent).toEqual([['b', { kind: 'done', done: { status: 204, id: 7 } }]]);
});

it('has the status of the owner of a request', async () => {
  const forwarded = relays.forward('b', FORWARD);
  relays.received('b', { kind: 'done', done: { id: 1, status: 403, message: 'No' } });
  expect(await forwarded).toMatchObject({ status: 403, message: 'No' });
});

it('passes on that a client has a new connection', () => {
  relays.supersede('b', CLAIM);
  expect(controls()).toEqual(['superseded']);
  hear({ type: 'superseded', ...CLAIM });
  expect(seen).toEqual(['superseded t']);
});

it('sends nothing while the broker is away', async () => {
  link.isUp = false;
  relays.supersede('b', CLAIM);
  await openBoth();
  expect(sent).toEqual([]);
});

describe('The owner of a connection', () => {
  it('is there, or is gone where nobody knows it', async () => {
    expect([await relays.reach('b'), await relays.reach('c')]).toEqual(['there', 'gone']);
  });

  it('is away for as long as a node may be silent when the broker is away, and then gone', async () => {
    link.isUp = false;
    relays.down();
    expect([await relays.reach('b'), await relays.reach('c')]).toEqual(['away', 'gone']);
    await clock.pass(5999);
    relays.down();
    expect(await relays.reach('b')).toBe('away');
    await clock.pass(1);
    expect(await relays.reach('b')).toBe('gone');
    link.isUp = true;
    relays.up();
    expect(await relays.reach('b')).toBe('there');
  });

  it('is gone before the start and after the stop', async () => {
    relays.stop();
    expect(await relays.reach('b')).toBe('gone');
    expect(await relays.forward('b', FORWARD)).toBeUndefined();
    expect(await relays.open('b', REQUEST, response)).toBeUndefined();
  });
});

it.each([
  [10_000, 134_217_728, 13_421],
  [1, 134_217_728, 65_536],
  [1_000_000, 1024, 1024],
])('gives each of %d relays its part of %d bytes: %d', (maxRelays, maxRelayBytes, expected) => {
  expect(windowOf({ maxRelays, maxRelayBytes })).toBe(expected);
});
