/** What hooks do at each of their awaits. */
import { setImmediate, setTimeout } from 'node:timers';
import { setTimeout as sleep } from 'node:timers/promises';
import { ForbiddenException } from '@nestjs/common';
import { WsException } from '@nestjs/websockets';

/** Every error that the fuzzer throws says so: others are findings. */
const ON_PURPOSE = 'on purpose';
const never = () => new Promise(() => {});
const filler = (bytes) => '~'.repeat(bytes);

/** Notes a tag that was taken: it has to arrive, unless the connection breaks. */
function took({ record }, tag, isTaken) {
  if (isTaken) record.taken.push(tag);
}

function send(context, bytes, make = (text) => text) {
  const { connection, record } = context;
  const tag = record.tag('s');
  took(context, tag, connection.send(make(tag + filler(bytes))));
}

async function push(context) {
  const tag = context.record.tag('p');
  took(context, tag, await context.server.push(context.connection.id, tag));
}

/** Pushes to many: each of them gets these in the order of the calls. */
const shared = ({ world }) => `all|r|${++world.shared}|`;

const SENDING = {
  send: (context) => send(context, context.step.ms * 10),
  binary: (context) => send(context, 5, Buffer.from),
  large: (context) => send(context, 40_000),
  flood: (context) => {
    for (let count = 0; count < 40; count++) send(context, 3000);
  },
  emit: (context) => {
    const tag = context.record.tag('s');
    took(context, tag, context.connection.emit('said', tag));
  },
  push,
  pushRoom: (context) => context.server.to(context.step.room).push(shared(context)),
  pushEveryone: (context) => context.server.toEveryone().push(shared(context)),
  pushUser: (context) => context.server.toUser('ann').emit('shared', shared(context)),
  pushPath: (context) => context.server.toEveryone(context.plan.path).push(shared(context)),
};

const MEMBERS = {
  join: ({ connection, step }) => connection.join(step.room),
  leave: ({ connection, step }) => connection.leave(step.room),
  bind: ({ connection, server, step }) => server.bind(connection.id, 'bob', { replace: step.ms === 0 }),
  joinEveryone: ({ server, step }) => server.toEveryone().join(step.room),
  ask: ({ connection, server, step }) =>
    Promise.all([server.info(connection.id), server.to(step.room).members(), server.list({ limit: 3 })]),
};

const FLOW = {
  pause: ({ record }) => record.pause(),
  resume: ({ connection }) => connection.resume(),
  pauseAWhile: ({ connection, record, step }) => {
    record.pause();
    setTimeout(() => connection.resume(), step.ms * 5);
  },
};

const ENDS = {
  close: ({ connection, step }) => connection.close(step.code, ON_PURPOSE),
  badClose: ({ connection }) => connection.close(1005),
  terminate: ({ connection }) => connection.terminate(),
  disconnect: ({ connection, server, step }) => server.disconnect(connection.id, step.code),
  disconnectRoom: ({ server, step }) => server.to(step.room).disconnect(step.code),
  disconnectEveryone: ({ server }) => server.toEveryone().disconnect(),
};

const FAILS = {
  throw: () => {
    throw new Error(ON_PURPOSE);
  },
  throwOdd: ({ step }) => {
    throw [undefined, ON_PURPOSE, new WsException(ON_PURPOSE), new ForbiddenException(ON_PURPOSE)][step.ms % 4];
  },
  refuse: () => {
    throw new ForbiddenException(ON_PURPOSE);
  },
  deny: () => {
    throw new ForbiddenException(ON_PURPOSE);
  },
  hang: never,
};

const EARLY = {
  nothing: () => {},
  session: ({ request, plan }) => {
    if (request?.session) request.session.case = plan.number;
  },
  cut: ({ request }) => void request?.raw.socket?.destroy(),
};

const ACTS = { ...SENDING, ...MEMBERS, ...FLOW, ...ENDS, ...FAILS, ...EARLY };

const WAITS = {
  none: undefined,
  micro: () => Promise.resolve(),
  immediate: () => new Promise(setImmediate),
  ms: (step) => sleep(step.ms),
  late: (_step, { era }) => sleep(era.settings.hookTimeout * 1000 + 60),
};

/** An act that is not part of the hook runs later; what it throws is nobody's. */
function actLoosely(context, step) {
  setTimeout(() => {
    if (['hang', 'throw', 'throwOdd'].includes(step.act)) return;
    Promise.resolve()
      .then(() => ACTS[step.act]({ ...context, step }))
      .catch(() => {});
  }, step.ms * 4);
}

function act(context, step) {
  if (step.isLoose) return actLoosely(context, step);
  const result = ACTS[step.act]({ ...context, step });
  if (!(result instanceof Promise)) return undefined;
  if (step.isAwaited || step.act === 'hang') return result;
  result.catch(() => {});
  return undefined;
}

/** Performs steps; synchronously up to the first one that waits. @returns a promise if one did */
export function perform(steps, context) {
  for (const [index, step] of steps.entries()) {
    const waiting = WAITS[step.wait]?.(step, context);
    if (waiting) return waiting.then(() => performFrom(index, steps, context));
    const acting = act(context, step);
    if (acting) return acting.then(() => perform(steps.slice(index + 1), context));
  }
  return undefined;
}

async function performFrom(index, steps, context) {
  await act(context, steps[index]);
  await perform(steps.slice(index + 1), context);
}
