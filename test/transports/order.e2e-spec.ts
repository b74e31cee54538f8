/**
 * Bytes leave in the order of the calls: every way to send and then to end, in every hook, synchronously and after an
 * await, with and without a first message that authenticates, on every transport.
 */
import { setImmediate as turn } from 'node:timers/promises';
import { jest } from '@jest/globals';
import { Module } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { WebSocketGateway } from '@nestjs/websockets';
import { CloseInfo, Connection, HandshakeRequest, Message, RealtimeModule } from 'nestjs-realtime';
import { createTestApp, type TestApp } from 'nestjs-realtime/testing';
import { type Recording, RECORDERS } from '../support/clients/recorders.js';
import { PLATFORMS } from '../support/platforms.js';
import { until, within } from '../support/process-guard.js';
import { fc } from '../support/properties.js';

jest.setTimeout(120_000);

/** A long text does not fit into a socket: what follows it waits. */
type Send = 'send' | 'bytes' | 'emit' | 'long';
type Pause = 'await' | 'turn';

/** What one hook does. */
interface Plan {
  readonly hook: 'onHandshake' | 'onOpen' | 'onMessage';
  readonly steps: readonly (Send | Pause)[];
  readonly end: 'close' | 'terminate' | 'throw';
  /** What is sent after the end was ordered. */
  readonly late: readonly Send[];
  readonly throwsInOnClose: boolean;
}

const SEND = fc.constantFrom<Send>('send', 'bytes', 'emit', 'long');
const PLAN: fc.Arbitrary<Plan> = fc.record({
  hook: fc.constantFrom<Plan['hook']>('onOpen', 'onOpen', 'onMessage', 'onMessage', 'onHandshake'),
  steps: fc.oneof(
    fc.array(SEND, { maxLength: 8 }),
    fc.array(fc.oneof(SEND, fc.constantFrom<Pause>('await', 'turn')), { maxLength: 8 }),
  ),
  end: fc.constantFrom<Plan['end']>('close', 'close', 'terminate', 'throw'),
  late: fc.array(SEND, { maxLength: 2 }),
  throwsInOnClose: fc.boolean(),
});

let plan: Plan;
/** The plan is followed once: a client that lost its connection may open another. */
let isDone = false;
let closes: CloseInfo[] = [];

const isSend = (step: Send | Pause): step is Send => step !== 'await' && step !== 'turn';

function say(connection: Connection | undefined, how: Send, number: number): void {
  if (how === 'send') connection?.send(String(number));
  else if (how === 'bytes') connection?.send(Buffer.from(String(number)));
  else if (how === 'long') connection?.send(long(number));
  else connection?.emit('number', number);
}

const long = (number: number) => `${number}${'x'.repeat(70_000)}`;

function end(connection: Connection | undefined): void {
  if (plan.end === 'close') connection?.close(4555, 'as planned');
  if (plan.end === 'terminate') connection?.terminate();
  plan.late.forEach((how, index) => say(connection, how, 100 + index));
  if (plan.end === 'throw') throw new Error('The plan ends here');
}

async function slowly(connection: Connection | undefined): Promise<void> {
  for (const [number, step] of plan.steps.entries()) {
    if (isSend(step)) say(connection, step, number);
    else await (step === 'turn' ? turn() : undefined);
  }
  end(connection);
}

/** Synchronous where the plan has no pause. */
function follow(hook: Plan['hook'], connection?: Connection): void | Promise<void> {
  if (plan.hook !== hook || isDone) return;
  isDone = true;
  if (!plan.steps.every(isSend)) return slowly(connection);
  plan.steps.filter(isSend).forEach((how, number) => say(connection, how, number));
  end(connection);
}

class PlannedHooks {
  onHandshake(_request: HandshakeRequest): void | Promise<void> {
    return follow('onHandshake');
  }

  onOpen(connection: Connection): void | Promise<void> {
    return follow('onOpen', connection);
  }

  onMessage(connection: Connection, message: Message): void | Promise<void> {
    if (message.text() === 'bye') connection.close(4556);
    else return follow('onMessage', connection);
  }

  onClose(connection: Connection, close: CloseInfo): void {
    closes.push(close);
    connection.send('too late');
    connection.close(4999);
    connection.terminate();
    if (plan.throwsInOnClose) throw new Error('onClose fails, too');
  }
}

@WebSocketGateway({ path: '/plan' })
class PlannedGateway extends PlannedHooks {}

@WebSocketGateway({ path: '/ask' })
class AskingGateway extends PlannedHooks {
  onAuthenticate(): void {}
}

function textOf(how: Send, number: number): string {
  if (how === 'emit') return JSON.stringify({ event: 'number', data: number });
  if (how === 'long') return long(number);
  return how === 'bytes' ? `bytes:${number}` : String(number);
}

/** What a client that misses nothing receives. */
function expected(): { messages: unknown[]; code: number } {
  const { hook, end: how, steps, late } = plan;
  if (hook === 'onHandshake') return how === 'throw' ? { messages: [], code: 500 } : { messages: [], code: 4556 };
  const messages: unknown[] = steps.flatMap((step, number) => (isSend(step) ? [textOf(step, number)] : []));
  if (how !== 'throw') return { messages, code: how === 'close' ? 4555 : 1006 };
  messages.push(...late.map((step, index) => textOf(step, 100 + index)));
  if (hook === 'onOpen') return { messages, code: 1011 };
  return { messages: [...messages, expect.stringContaining('"event":"exception"')], code: 4556 };
}

function check({ messages, code }: Recording): void {
  const { messages: all, code: ending } = expected();
  // A connection that is cut may lose the last messages, but none between others
  const due = plan.end === 'terminate' ? all.slice(0, messages.length) : all;
  expect({ messages, code }).toEqual({ messages: due, code: ending });
}

describe.each(PLATFORMS)('on $platform', ({ adapter }) => {
  let app: TestApp;

  beforeAll(async () => {
    const rates = { maxFailedHandshakes: 0, maxConnectionRate: 0, maxConnectionRatePerAddress: 0, maxMessageRate: 0 };
    // Longer than a busy machine may need from one poll to the next: nothing here waits for them
    const times = { graceTime: 10, closeTimeout: 10 };
    @Module({
      imports: [RealtimeModule.forRoot({ envFile: false, ...times, ...rates })],
      providers: [PlannedGateway, AskingGateway],
    })
    class AppModule {}
    app = await createTestApp(await Test.createTestingModule({ imports: [AppModule] }).compile(), {
      adapter: adapter(),
    });
  });
  afterAll(() => app.close());

  const follows = (transport: string, path: string) => async (next: Plan) => {
    [plan, isDone, closes] = [next, false, []];
    const { accepted } = await app.server.stats();
    const texts = [...(path === '/ask' ? ['let me in'] : []), 'go', 'bye'];
    check(await within(10_000, JSON.stringify(next), RECORDERS[transport]!(app.url + path, texts)));
    const opened = (await app.server.stats()).accepted - accepted;
    await until(
      'onClose of every connection',
      () => closes.length,
      (count) => count === opened,
    );
  };

  describe.each(Object.keys(RECORDERS))('by %s', (transport) => {
    it.each(['/plan', '/ask'])(
      `what a hook sends leaves before the end that it orders, by ${transport} on %s`,
      (path) => fc.assert(fc.asyncProperty(PLAN, follows(transport, path)), { numRuns: 40 }),
    );
  });
});
