import { FakeExchange } from '../../../../../test/support/fakes/fake-exchange.js';
import { fakeRequestNode } from '../../../../../test/support/fakes/fake-request-node.js';
import { PollingTransport } from './polling.js';
import { ServedAnswer } from './served-answer.js';
import { SseTransport } from './sse.js';

const upper = (bytes: Buffer) => Buffer.from(bytes.toString().toUpperCase());
let exchange: FakeExchange;
const served = (Transport: typeof SseTransport | typeof PollingTransport = SseTransport) => {
  exchange = new FakeExchange();
  return new ServedAnswer(exchange.watched, new Transport(fakeRequestNode()), upper);
};

it('writes what the owner sends, unsealed, and ends', async () => {
  const answer = served();
  answer.begin({ 'content-type': 'x' });
  await new Promise<void>((taken) => answer.write(Buffer.from('part'), taken));
  answer.end();
  await new Promise(setImmediate);
  expect([exchange.headers, exchange.written, exchange.hasEnded]).toEqual([{ 'content-type': 'x' }, 'PART', true]);
});

it('reports bytes as taken when the client has taken them', async () => {
  const answer = served();
  answer.begin({});
  exchange.isStuck = true;
  let taken = 0;
  answer.write(Buffer.from('part'), () => taken++);
  await new Promise(setImmediate);
  expect(taken).toBe(0);
  exchange.reads();
  await new Promise(setImmediate);
  expect(taken).toBe(1);
});

it('cuts a response that has begun', () => {
  const answer = served();
  let closes = 0;
  answer.onClose(() => closes++);
  answer.begin({});
  answer.cut();
  expect([exchange.isCut, closes]).toEqual([true, 1]);
});

it('asks an EventSource to come again that has had nothing yet, because it would obey a 503 for good', async () => {
  served(SseTransport).cut();
  await new Promise(setImmediate);
  expect(exchange.headers['content-type']).toBe('text/event-stream; charset=utf-8');
  expect([exchange.written, exchange.hasEnded, exchange.isCut]).toEqual(['retry: 1000\n\n', true, false]);
});

it('answers a poll that has had nothing yet with 503', () => {
  served(PollingTransport).cut();
  expect([exchange.status, exchange.headers['retry-after'], exchange.isCut]).toEqual([503, '1', false]);
});
