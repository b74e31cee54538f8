/** What happens in an era (one application) and in a case (one client of it): plain data that follows from the seed. */
import { Draw } from './draw.mjs';

/** How many cases share an application. */
export const ERA = 50;

/** Times in seconds, short enough that each of them runs out in some cases. */
const SETTINGS = {
  envFile: false,
  handshakeTimeout: 0.25,
  authenticateTimeout: 0.2,
  hookTimeout: 0.15,
  closeTimeout: 0.1,
  graceTime: 0.15,
  pollHold: 0.06,
  sseHold: 0.2,
  sseRetry: 0,
  shutdownTimeout: 0.8,
  shutdownInterval: 0.01,
  reconnectSpread: 0.1,
  messageTimeout: 0.15,
  maxSlowTime: 0.3,
  headerTimeout: 0.5,
  heartbeatPingInterval: 0.06,
  heartbeatIdleTime: 0.18,
  heartbeatCheckInterval: 0.05,
  // These would refuse the fuzzer itself
  maxConnectionRate: 0,
  maxConnectionRatePerAddress: 0,
  maxFailedHandshakes: 0,
  maxControlRate: 0,
  maxConnectionsPerUser: 0,
};

/** The bounds of an era: the defaults, or so low that they are reached. */
function bounds(draw) {
  if (draw.chance(0.5)) return {};
  return {
    maxQueuedMessages: draw.of([2, 8, 32]),
    maxBufferedBytes: draw.of([4096, 65_536, 300_000]),
    maxReplayBytes: draw.of([0, 2000, 262_144]),
    maxPosts: draw.of([1, 4]),
    maxStreams: draw.of([1, 4]),
    maxRoomsPerConnection: draw.of([1, 3]),
    maxMessageRate: draw.of([0, 20]),
    maxBufferedBytesTotal: draw.of([200_000, 268_435_456]),
  };
}

/** @returns how the application of an era is built, and when it is shut down: with its how many-th case, if it is */
export function drawEra(seed, number) {
  const draw = new Draw(seed, 'era', number);
  return {
    number,
    platform: number % 2 === 0 ? 'express' : 'fastify',
    hasSessions: draw.chance(0.5),
    keepContext: draw.chance(0.3),
    atOnce: draw.of([4, 10, 16]),
    stopAt: draw.chance(0.3) ? draw.nat(ERA - 1) : undefined,
    settings: {
      ...SETTINGS,
      hookTimeoutAction: draw.of(['report', 'close']),
      slowConsumer: draw.weighted({ close: 2, 'drop-newest': 1, 'drop-oldest': 1 }),
      flushWindow: draw.of([0, 0, 0.002]),
      ...bounds(draw),
    },
  };
}

const WAITS = { none: 4, micro: 2, immediate: 2, ms: 2, late: 0.15 };

const SENDS = { send: 6, emit: 3, binary: 1, push: 3, large: 0.7, flood: 0.7 };
const SHARED = { pushRoom: 1, pushEveryone: 0.6, pushUser: 0.5, pushPath: 0.5 };
const MEMBERSHIP = { join: 1.5, leave: 0.5, bind: 0.4, joinEveryone: 0.1, ask: 0.5 };
const FLOW = { pause: 1, resume: 1, pauseAWhile: 1 };
const ENDS = {
  close: 1,
  badClose: 0.1,
  terminate: 0.7,
  disconnect: 0.7,
  disconnectRoom: 0.2,
  disconnectEveryone: 0.05,
};
const FAILS = { throw: 0.8, throwOdd: 0.2, hang: 0.25 };
const OPEN_ACTS = { ...SENDS, ...SHARED, ...MEMBERSHIP, ...FLOW, ...ENDS, ...FAILS };
/** There is no connection yet. */
const EARLY_ACTS = { nothing: 6, session: 2, throw: 0.4, throwOdd: 0.1, refuse: 0.4, hang: 0.2, cut: 0.2, ...SHARED };

function step(draw, acts) {
  return {
    wait: draw.weighted(WAITS),
    act: draw.weighted(acts),
    // The act is not part of the hook: it runs when the hook may be over
    isLoose: draw.chance(0.08),
    isAwaited: draw.chance(0.6),
    room: draw.of(['a', 'b', 'c']),
    code: draw.of([1000, 3000, 4000, 4500, 4999]),
    ms: draw.nat(8),
  };
}

const steps = (draw, max, acts) => draw.list(max, () => step(draw, acts));

function drawHooks(draw) {
  return {
    guard: steps(draw, draw.nat(1), { nothing: 5, deny: 0.5, throw: 0.3, cut: 0.1 }),
    onHandshake: steps(draw, draw.nat(2), EARLY_ACTS),
    onAuthenticate: steps(draw, draw.nat(2), EARLY_ACTS),
    onOpen: steps(draw, draw.nat(4), { ...OPEN_ACTS, session: 1 }),
    // Each message gets the next of them
    onMessage: Array.from({ length: 4 }, () => steps(draw, draw.nat(3), OPEN_ACTS)),
    onDrain: steps(draw, draw.nat(2), OPEN_ACTS),
    onClose: steps(draw, draw.nat(3), OPEN_ACTS),
    work: draw.of(['value', 'nothing', 'promise', 'items', 'throw']),
    stream: steps(draw, 3, { nothing: 5, send: 1, close: 0.5, terminate: 0.3, throw: 0.5, hang: 0.5 }),
  };
}

const MIDDLEWARE = {
  none: 14,
  async: 2,
  writeAtFinish: 1,
  writeAtClose: 1,
  endLater: 1,
  nextTwice: 1,
  nextLate: 1,
  nextNever: 0.5,
  nextAndAnswer: 0.7,
  destroySocket: 0.5,
  destroyLater: 1,
  answerAfterTime: 1.5,
  answersItself: 0.5,
  throws: 0.5,
  failsNext: 0.5,
};

const DOES = {
  say: 6,
  work: 2,
  stream: 1,
  cancel: 0.5,
  burst: 1.5,
  batch: 1,
  large: 0.5,
  half: 0.6,
  junk: 0.5,
  ping: 0.5,
  posts: 1,
  deaf: 1,
  hear: 0.6,
  reconnect: 1.5,
};

/** How it leaves; `stay` gives the server the time to end the connection. */
const LEAVES = { stay: 4, fin: 1, rst: 1, close: 1.5, destroy: 1 };

function drawClient(draw) {
  const acts = draw.list(6, () => ({
    after: draw.of([0, 0, 0, 1, 5, 20]),
    act: draw.weighted(DOES),
    count: draw.nat(30),
  }));
  return {
    // Also with the 101 or the first answer still on its way
    waitsForOpen: draw.chance(0.85),
    acts,
    leave: draw.weighted(LEAVES),
    leaveAfter: draw.of([0, 0, 2, 10, 30]),
    answersPings: draw.chance(0.9),
  };
}

export const TRANSPORTS = ['websocket', 'sse', 'polling'];
export const PATHS = ['/plain', '/ask', '/methods', '/ask-methods'];

/** @returns everything that application and client do in a case */
export function drawCase(seed, number) {
  const draw = new Draw(seed, 'case', number);
  return {
    number,
    transport: draw.of(TRANSPORTS),
    path: draw.of(PATHS),
    user: draw.of([undefined, 'ann', 'bob']),
    replaces: draw.chance(0.1),
    middleware: draw.weighted(MIDDLEWARE),
    middlewareMs: draw.nat(40),
    store: draw.weighted({ works: 6, slow: 2, fails: 0.5, hangs: 0.3 }),
    hooks: drawHooks(draw),
    client: drawClient(draw),
  };
}
