import { clientIn, FakeWorld } from '../../../../test/support/fakes/client-world.js';

const OPEN = { event: 'rt:open', data: { id: 'n.1', session: 's', resumed: false, seen: 0, ping: 0, maxBytes: 1e6 } };
const batch = (position: number, messages: readonly object[]) => ({
  position,
  messages: messages.map((message) => JSON.stringify(message)),
});
const json = (body: object) => new Response(JSON.stringify(body), { headers: { 'content-type': 'application/json' } });
const late = () => new Response('{"statusCode":503}', { status: 503, headers: { 'retry-after': '1' } });

/** A client that polls. @param answers to the polls after the first, and to the posts; the last one holds */
async function polling(world: FakeWorld, polls: (() => Response)[], posts: (() => Response)[] = []) {
  const hello = () => json(batch(0, [OPEN]));
  const asked: string[] = [];
  world.answer = (_url, { method = 'GET', headers = {} }) => {
    const isHello = 'x-realtime-hello' in headers;
    asked.push(isHello ? 'hello' : method);
    if (isHello) return hello();
    const next = (method === 'POST' ? posts : polls).shift();
    return next ? next() : new Promise<Response>(() => {});
  };
  const { client } = await clientIn(world, { transports: ['polling'] });
  await world.pass();
  return { client, asked };
}

let world: FakeWorld;
beforeEach(() => {
  world = new FakeWorld();
});

it('polls again after a 503 with Retry-After, and keeps its session', async () => {
  const { client, asked } = await polling(world, [late, () => json(batch(1, [{ event: 'x', data: 1 }]))]);
  const seen: unknown[] = [];
  client.on('x', (data) => seen.push(data));
  await world.pass(999);
  expect([asked, seen]).toEqual([['hello', 'GET'], []]);
  await world.pass(1);
  expect([asked.slice(0, 4), seen]).toEqual([['hello', 'GET', 'GET', 'GET'], [1]]);
  expect(client.state.status).toBe('open');
});

it('posts again after a 503 with Retry-After, with the same number', async () => {
  const { client, asked } = await polling(world, [], [late, () => new Response(null, { status: 204 })]);
  client.send('a');
  await world.pass(1000);
  expect(asked).toEqual(['hello', 'GET', 'POST', 'POST']);
  expect(client.state.status).toBe('open');
});

it('opens another wire after a 503 without Retry-After, as a proxy answers', async () => {
  const { client } = await polling(world, [() => new Response('', { status: 503 })]);
  expect(client.state.status).toBe('waiting');
});

it('polls no more once it is closed', async () => {
  const { client, asked } = await polling(world, [late]);
  client.close();
  await world.pass(5000);
  expect(asked).toEqual(['hello', 'GET', 'DELETE']);
});
