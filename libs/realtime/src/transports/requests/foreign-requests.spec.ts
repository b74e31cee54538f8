import type { IncomingMessage } from 'node:http';
import { FakeExchange } from '../../../../../test/support/fakes/fake-exchange.js';
import { fakeRequestNode } from '../../../../../test/support/fakes/fake-request-node.js';
import { HandshakeRequest } from '../../handshake-request.js';
import type { Outcome, Reach, RelayedRequest, Relays } from '../../relay.js';
import { ForeignRequests } from './foreign-requests.js';
import { PollingTransport } from './polling.js';
import { SseTransport } from './sse.js';

const OWNER = 'Xq3_-aB7kM2p';
const TOKEN = OWNER + 'x'.repeat(32);

let reaches: Reach[];
let answer: Outcome | 'served' | undefined;
let opened: RelayedRequest[];
let superseded: string[];
let exchange: FakeExchange;

beforeEach(() => {
  [reaches, answer, opened, superseded] = [['there'], 'served', [], []];
  exchange = new FakeExchange();
});

const relays: Relays = {
  serve: () => {},
  reach: async () => (reaches.length > 1 ? reaches.shift()! : reaches[0]!),
  forward: async () => undefined,
  open: async (_owner, request) => {
    opened.push(request);
    return answer;
  },
  supersede: (owner) => void superseded.push(owner),
};

function goOn(Transport: typeof SseTransport | typeof PollingTransport, position = 7): Promise<boolean> {
  const node = fakeRequestNode();
  const transport = new Transport(node);
  const recheck = async () => new HandshakeRequest({ headers: {} } as IncomingMessage, { path: '/ws' });
  const foreign = new ForeignRequests({ recheck, speaks: () => true }, node, relays, [transport]);
  const watched = { ...exchange, answer: exchange.watched, arrival: 1 };
  return foreign.goOn(OWNER, watched as never, transport, { token: TOKEN, position });
}

it('knows the owner of a token, unless it is this node, or there is no other', () => {
  const node = fakeRequestNode();
  const foreign = new ForeignRequests({} as never, node, relays, []);
  const own = node.id + 'x'.repeat(32);
  expect([foreign.ownerOf(TOKEN), foreign.ownerOf(own), foreign.ownerOf('x')]).toEqual([OWNER, undefined, undefined]);
  expect(new ForeignRequests({} as never, node, undefined, []).ownerOf(TOKEN)).toBeUndefined();
});

it('has the owner answer, and does not disclose the token', async () => {
  expect(await goOn(SseTransport)).toBe(true);
  expect(opened).toMatchObject([{ path: '/ws', transport: 'sse', position: 7 }]);
  expect(JSON.stringify(opened)).not.toContain(TOKEN);
});

it.each([NaN, -1, 1.5])('sends the position %p as one that no client can have reached', async (position) => {
  await goOn(PollingTransport, position);
  expect(opened[0]!.position).toBe(Number.MAX_SAFE_INTEGER);
});

it('begins a new connection when the owner is gone, without asking it', async () => {
  reaches = ['gone'];
  expect([await goOn(SseTransport), opened.length]).toEqual([false, 0]);
});

it('begins a new connection when the owner is lost while it is asked, and has the old one end', async () => {
  [answer, reaches] = [undefined, ['there', 'gone']];
  expect([await goOn(SseTransport), superseded]).toEqual([false, [OWNER]]);
});

it.each<[string, Reach]>([
  ['the owner does not answer', 'there'],
  ['the broker is away', 'away'],
])('asks the client to come again when %s', async (_what, reach) => {
  [answer, reaches] = [undefined, [reach]];
  expect(await goOn(PollingTransport)).toBe(true);
  expect([exchange.status, exchange.headers['retry-after'], superseded]).toEqual([503, '1', []]);
  exchange = new FakeExchange();
  expect(await goOn(SseTransport)).toBe(true);
  await new Promise(setImmediate);
  expect(exchange.written).toBe('retry: 1000\n\n');
});

it('begins a new connection when the owner does not have it', async () => {
  answer = { status: 404 };
  expect([await goOn(SseTransport), superseded]).toEqual([false, []]);
});
