import type { IncomingMessage } from 'node:http';
import { fakeRequestNode } from '../../../../test/support/fakes/fake-request-node.js';
import { HandshakeRequest } from '../handshake-request.js';
import type { Claim } from '../relay.js';
import { claimOf } from './claims.js';
import { Sessions } from './sessions.js';

const FOREIGN = 'Q2w8vNRo20tX'.padEnd(44, 'x');

const superseded: { owner: string; claim: Claim }[] = [];
const relays = { supersede: (owner: string, claim: Claim) => void superseded.push({ owner, claim }) };
const node = fakeRequestNode();
const sessionsWith = (broker: object) => new Sessions(Object.assign(node, { broker }) as never);

/** A request whose hello names a session. */
function requestFor(session: string | undefined): HandshakeRequest {
  const hello = Buffer.from(JSON.stringify({ v: 1, session, seen: 7 })).toString('base64url');
  const headers = { 'x-realtime-hello': hello, authorization: 'Bearer ann' };
  return new HandshakeRequest({ headers } as unknown as IncomingMessage, { path: '/ws', transport: 'sse' });
}

beforeEach(() => void (superseded.length = 0));

it('A client with the session of another node gets a new one, and the other node ends the old one once it has begun', () => {
  const request = requestFor(FOREIGN);
  const ticket = sessionsWith({ relays }).ticket(request, { userId: 'ann' }, 3)!;
  expect([ticket.resumes, ticket.seen, superseded]).toEqual([undefined, 0, []]);
  ticket.supersedes!.terminate();
  expect(superseded).toEqual([{ owner: FOREIGN.slice(0, 12), claim: claimOf(FOREIGN, request, { userId: 'ann' }) }]);
});

it.each<[string, object, string | undefined, object | undefined]>([
  ['this node, which does not have it any more', { relays }, node.id.padEnd(44, 'x'), {}],
  ['another node, while nobody knows whose client it is', { relays }, FOREIGN, undefined],
  ['another node, where nothing leads to other nodes', {}, FOREIGN, {}],
  ['nobody, because it is not a token', { relays }, 'x', {}],
  ['nobody, because there is none', { relays }, undefined, {}],
])('A session of %s is not ended elsewhere', (_what, broker, session, identity) => {
  const ticket = sessionsWith(broker).ticket(requestFor(session), identity, 3)!;
  expect([ticket.resumes, ticket.supersedes]).toEqual([undefined, undefined]);
});
