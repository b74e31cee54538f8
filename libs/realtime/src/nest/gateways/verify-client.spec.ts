import { fakeRequest } from '../../../../../test/support/fakes/fake-socket.js';
import { HandshakeError } from '../../errors.js';
import { HandshakeRequest } from '../../handshake-request.js';
import type { VerifyClient, VerifyClientInfo } from '../found-gateway.js';
import { askVerifyClient, nodeRequest } from './verify-client.js';

const node = fakeRequest({ headers: { origin: 'https://example.test' } });
const ask = (verify: VerifyClient) => askVerifyClient(verify, new HandshakeRequest(node, { path: '/ws' }));

it('hands over origin, whether the connection is encrypted, and the request of Node', async () => {
  let seen: VerifyClientInfo | undefined;
  await ask((info) => (seen = info));
  expect(seen).toEqual({ origin: 'https://example.test', secure: false, req: node });
  expect(seen!.req).toBe(node);
});

it('refuses with 401 when a function of one parameter returns false', async () => {
  await expect(ask(() => false)).rejects.toEqual(new HandshakeError(401, 'Unauthorized'));
});

it('admits when a function of two parameters calls back with true, later too', async () => {
  await ask((_info, done) => done!(true));
  await ask((_info, done) => queueMicrotask(() => done!(true)));
});

it('refuses with the status, body and headers that a function of two parameters calls back with', async () => {
  const refused = ask((_info, done) => done!(false, 429, 'Later', { 'Retry-After': '5' }));
  await expect(refused).rejects.toMatchObject({ status: 429, body: 'Later', headers: { 'Retry-After': '5' } });
  await expect(ask((_info, done) => done!(false))).rejects.toMatchObject({ status: 401, body: '', headers: {} });
});

it('finds the request of Node in that of Fastify', () => {
  expect([nodeRequest({ raw: node }), nodeRequest(node)]).toEqual([node, node]);
});
