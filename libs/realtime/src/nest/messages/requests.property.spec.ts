/** Whatever a client sends, cancels and when methods settle: each request gets exactly one end. */
import { lastValueFrom, Subject } from 'rxjs';
import { FakeNode, turn } from '../../../../../test/support/fakes/fake-node.js';
import { fc } from '../../../../../test/support/properties.js';
import type { Message } from '../../message.js';
import { ErrorReplies } from './error-replies.js';
import type { MessageMethod } from './message-methods.js';
import { MessageRouter } from './message-router.js';

const EVENTS = ['value', 'nothing', 'fails', 'later', 'items', 'stream', 'shared', 'unknown', 'rt:unknown'] as const;

type Step =
  | { readonly kind: 'ask'; readonly event: (typeof EVENTS)[number]; readonly hasId: boolean }
  | { readonly kind: 'cancel'; readonly id: number }
  | { readonly kind: 'next' | 'complete' | 'error' | 'turn' };

const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ kind: fc.constant('ask' as const), event: fc.constantFrom(...EVENTS), hasId: fc.boolean() }),
  fc.record({ kind: fc.constant('cancel' as const), id: fc.nat(20) }),
  fc.record({ kind: fc.constantFrom('next' as const, 'complete' as const, 'error' as const, 'turn' as const) }),
);

/** A node whose methods settle when the test says so. */
async function start() {
  const node = await new FakeNode({ maxMessageRate: 0, maxStreams: 3 }).start();
  const { node: core } = node.engine;
  const running: Subject<unknown>[] = [];
  const items = () => {
    running.push(new Subject());
    return running.at(-1)!;
  };
  const later = () => lastValueFrom(items(), { defaultValue: undefined });
  const fails = () => {
    throw new Error('no');
  };
  const method = (call: MessageMethod['call'], isStream = false): MessageMethod => ({ call, isStream });
  const methods = new Map<unknown, MessageMethod[]>([
    ['value', [method(() => 1)]],
    ['nothing', [method(() => null)]],
    ['fails', [method(fails)]],
    ['later', [method(later)]],
    ['items', [method(items)]],
    ['stream', [method(items, true)]],
    ['shared', [method(items, true), method(() => 1), method(fails)]],
  ]);
  const parser = { isJson: true, parse: (message: Message) => message.json() };
  const router = new MessageRouter(methods, undefined, parser, new ErrorReplies(core), core);
  const gateway = {
    ...{ name: 'Router', path: '/router' },
    onMessage: router.receive.bind(router),
    onWaiting: router.onWaiting.bind(router),
  };
  return { running, ...(await node.opened({}, { gateway })) };
}

const isEnd = ({ event }: { event: string }) => ['value', 'later', 'exception', 'rt:done'].includes(event);

it('gives each request exactly one end, whatever is sent, cancelled and settled in whatever order', async () => {
  const property = fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
    const { socket, running } = await start();
    const ids: number[] = [];
    let count = 0;
    for (const each of steps) {
      if (each.kind === 'ask') {
        const id = each.hasId ? count++ : undefined;
        if (id !== undefined) ids.push(id);
        socket.sends(JSON.stringify({ event: each.event, id }));
      } else if (each.kind === 'cancel') socket.sends(JSON.stringify({ event: 'rt:cancel', id: each.id }));
      else if (each.kind === 'next') running[0]?.next('item');
      else if (each.kind === 'complete') running.shift()?.complete();
      else if (each.kind === 'error' && running[0]?.observed) running.shift()!.error(new Error('no'));
      else await turn();
    }
    for (let quiet = 0; quiet < 3; quiet++) {
      quiet = running.length > 0 ? 0 : quiet;
      while (running.length > 0) running.shift()!.complete();
      await turn();
    }
    const frames = socket.sent.map((data) => JSON.parse(String(data)) as { event: string; id?: number });
    const ended = frames.filter((frame) => frame.id !== undefined && isEnd(frame)).map(({ id }) => id!);
    expect(ended.sort((a, b) => a - b)).toEqual(ids);
  });
  await fc.assert(property, { numRuns: 100 });
});
