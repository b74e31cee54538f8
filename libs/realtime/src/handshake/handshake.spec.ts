import { jest } from '@jest/globals';
import { FakeNode, turn } from '../../../../test/support/fakes/fake-node.js';
import { fakeRequest, type FakeRequestParts, FakeSocket } from '../../../../test/support/fakes/fake-socket.js';
import { HandshakeError } from '../errors.js';
import type { Awaitable } from '../awaitable.js';
import type { Gateway } from '../gateway.js';
import type { HandshakeRequest } from '../handshake-request.js';
import type { Identity } from '../hooks.js';
import type { UpgradeResponse } from '../http/upgrade-response.js';
import type { RealtimeOptions } from '../settings/options.js';
import type { Admission } from './admission.js';

let node: FakeNode;
let steps: string[];
/** What `onHandshake` returns. */
let answer: (request: HandshakeRequest) => Awaitable<Identity | void>;

beforeEach(async () => {
  jest.useFakeTimers();
  await prepare();
});

afterEach(() => {
  node.engine.node.heartbeat.stop();
  jest.useRealTimers();
});

async function prepare(options: RealtimeOptions = {}): Promise<void> {
  steps = [];
  answer = () => undefined;
  node = await new FakeNode({ handshakeTimeout: 10, ...options }).start();
  const onHandshake: Gateway['onHandshake'] = (request) => {
    steps.push('onHandshake');
    return answer(request);
  };
  node.engine.gate.bind({ name: 'DoorGateway', path: '/door', onHandshake });
}

/** Admits an upgrade as a transport does. */
async function admit(parts: FakeRequestParts = {}): Promise<Admission> {
  const request = fakeRequest({ url: '/door', ...parts });
  return node.engine.gate.admit({ request, response: {} } as unknown as UpgradeResponse);
}

async function refusalOf(admitting: Promise<unknown>): Promise<HandshakeError> {
  const error: unknown = await admitting.then(
    () => new Error('was admitted'),
    (refusal: unknown) => refusal,
  );
  expect(error).toBeInstanceOf(HandshakeError);
  return error as HandshakeError;
}

const open = (admission: Admission) => {
  const socket = new FakeSocket();
  socket.attach(node.engine.open(admission, socket, 'websocket')!);
  return socket;
};

const EVIL = { headers: { origin: 'https://evil.org', host: 'example.com' } };

describe('a handshake', () => {
  it('admits a request with its gateway and the identity of onHandshake', async () => {
    answer = () => ({ userId: '7', rooms: ['lobby'], data: { name: 'Ann' } });
    const admission = await admit({ url: '/door?x=1' });
    expect(admission.gateway.name).toBe('DoorGateway');
    expect(admission.request.query.get('x')).toBe('1');
    expect(admission.identity).toMatchObject({ userId: '7', rooms: ['lobby'], data: { name: 'Ann' } });
  });

  it('gives the connection the user, rooms and data of onHandshake', async () => {
    answer = () => ({ userId: '7', rooms: ['lobby'], data: { name: 'Ann' } });
    open(await admit());
    const [connection] = [...node.server.connections.values()];
    expect([connection!.userId, [...connection!.rooms], connection!.data]).toEqual(['7', ['lobby'], { name: 'Ann' }]);
  });

  it('refuses with 503 while the server is starting', async () => {
    const starting = new FakeNode();
    const request = fakeRequest();
    const admitting = async () => starting.engine.gate.admit({ request } as unknown as UpgradeResponse);
    const refusal = await refusalOf(admitting());
    expect([refusal.status, refusal.body]).toEqual([
      503,
      { statusCode: 503, message: 'The server is starting: try again later' },
    ]);
    expect(Number(refusal.headers['Retry-After'])).toBeGreaterThan(0);
  });

  it('refuses a foreign origin before any hook runs', async () => {
    const refusal = await refusalOf(admit(EVIL));
    expect([refusal.status, steps]).toEqual([403, []]);
  });

  it('runs a guard after the origin check and before onHandshake', async () => {
    const guard = async () => void steps.push('guard');
    const onHandshake = () => void steps.push('onHandshake');
    node.engine.gate.bind({ name: 'GuardedGateway', path: '/guarded', guard, onHandshake });
    await refusalOf(admit({ ...EVIL, url: '/guarded' }));
    expect(steps).toEqual([]);
    await admit({ url: '/guarded' });
    expect(steps).toEqual(['guard', 'onHandshake']);
  });

  it('answers with the refusal of a guard, and does not run onHandshake', async () => {
    const guard = () => Promise.reject(new HandshakeError(401, 'Who are you?'));
    const onHandshake = () => void steps.push('onHandshake');
    node.engine.gate.bind({ name: 'GuardedGateway', path: '/guarded', guard, onHandshake });
    const refusal = await refusalOf(admit({ url: '/guarded' }));
    expect([refusal.status, refusal.body, steps]).toEqual([401, 'Who are you?', []]);
  });

  it('refuses a path without a gateway with 404', async () => {
    expect((await refusalOf(admit({ url: '/nowhere' }))).status).toBe(404);
    expect((await refusalOf(admit({ url: '' }))).status).toBe(404);
    expect((await refusalOf(admit({ url: '/door/__proto__' }))).status).toBe(404);
  });

  it('finds the gateway by the path in front of the query', async () => {
    expect((await admit({ url: '/door?/ws' })).gateway.path).toBe('/door');
  });

  it('admits a request to a gateway without onHandshake', async () => {
    expect((await admit({ url: '/ws' })).identity.userId).toBeUndefined();
  });
});

describe('a guard that returns when its handshake is over', () => {
  it.each<[string, () => void]>([
    ['by the deadline', () => jest.advanceTimersByTime(10_000)],
    ['by a shutdown', () => node.engine.gate.stop()],
  ])('does not run onHandshake where it was refused %s', async (_how, end) => {
    let open!: () => void;
    const guard = () => new Promise<void>((resolve) => (open = resolve));
    const onHandshake = () => void steps.push('onHandshake');
    node.engine.gate.bind({ name: 'GuardedGateway', path: '/guarded', guard, onHandshake });
    const refused = refusalOf(admit({ url: '/guarded' }));
    end();
    expect((await refused).status).toBe(503);
    open();
    await turn();
    expect([steps, node.engine.node.counters.refused]).toEqual([[], 1]);
  });
});

describe('an error in onHandshake', () => {
  it.each<[string, (error: unknown) => Promise<void>]>([
    [
      'at once',
      (error) => {
        throw error;
      },
    ],
    ['later', (error) => Promise.reject(error as Error)],
  ])('answers with a HandshakeError that onHandshake throws %s, unchanged', async (_when, fail) => {
    const refusal = new HandshakeError(402, { pay: 'first' }, { 'X-Why': 'money' });
    answer = () => fail(refusal);
    expect(await refusalOf(admit())).toBe(refusal);
    expect(node.engine.node.counters).toMatchObject({ refused: 1, hookErrors: 0 });
  });

  it('answers any other error with 500 without internals, and logs the reason', async () => {
    answer = () => {
      throw new Error('password=hunter2');
    };
    const refusal = await refusalOf(admit());
    expect([refusal.status, refusal.body]).toEqual([500, { statusCode: 500, message: 'Internal server error' }]);
    expect(node.log.with('hunter2')).toEqual([
      expect.stringMatching(/^error .*status=500 path=\/door ip=192\.0\.2\.7 /),
    ]);
    expect(node.engine.node.counters).toMatchObject({ refused: 1, hookErrors: 1 });
  });

  it('logs a refusal in a line that a client cannot forge', async () => {
    await refusalOf(admit({ url: '/door', headers: EVIL.headers }));
    expect(node.log.with('refused')).toEqual([
      'warn WebSocket connection refused status=403 path=/door ip=192.0.2.7 ' +
        'reason="Origin https://evil.org is neither that of the host example.com ' +
        'nor in REALTIME_ALLOWED_ORIGINS (empty)"',
    ]);
    answer = ({ url }) => {
      throw new HandshakeError(400, `bad ${url}`);
    };
    await refusalOf(admit({ url: '/door?\r\nlog forged\u001b[2K' }));
    expect(node.log.with('forged')).toHaveLength(1);
    for (const line of node.log.lines) expect(line).not.toMatch(/\p{Cc}/u);
  });

  it('keeps no place for a refused handshake', async () => {
    await prepare({ maxConnections: 1 });
    answer = () => {
      throw new HandshakeError(403);
    };
    for (let count = 0; count < 3; count++) expect((await refusalOf(admit())).status).toBe(403);
    answer = () => undefined;
    await expect(admit()).resolves.toBeDefined();
  });
});

describe('capacity', () => {
  beforeEach(() => prepare({ maxConnections: 2 }));

  const isFull = async () => (await refusalOf(admit())).status === 503;

  it('counts open connections towards the capacity', async () => {
    const sockets = [open(await admit()), open(await admit())];
    expect(await isFull()).toBe(true);
    sockets[0]!.closes();
    await expect(admit()).resolves.toBeDefined();
  });

  it('counts an admitted request that is not a connection yet, until its place is released', async () => {
    const admissions = [await admit(), await admit()];
    expect(await isFull()).toBe(true);
    admissions[0]!.place.release();
    admissions[0]!.place.release();
    await admit();
    expect(await isFull()).toBe(true);
  });

  it('counts handshakes in progress towards the capacity', async () => {
    let finish = () => {};
    answer = () => new Promise<void>((resolve) => (finish = resolve));
    const first = admit();
    const second = admit();
    await turn();
    expect(await isFull()).toBe(true);
    finish();
    await second;
    expect(await isFull()).toBe(true);
    jest.advanceTimersByTime(10_000);
    await refusalOf(first);
    answer = () => undefined;
    await expect(admit()).resolves.toBeDefined();
  });

  it('checks the capacity before any hook runs, and says when to come back', async () => {
    open(await admit());
    open(await admit());
    steps = [];
    const refusal = await refusalOf(admit());
    expect([refusal.body, steps]).toEqual([{ statusCode: 503, message: 'Too many connections' }, []]);
    expect(Number(refusal.headers['Retry-After'])).toBeGreaterThan(0);
  });
});

describe('the deadline', () => {
  it('ends a handshake that hangs with 503 at the deadline, and not earlier', async () => {
    answer = () => new Promise<void>(() => {});
    const refused = jest.fn();
    const refusal = refusalOf(admit()).finally(refused);
    await turn();
    jest.advanceTimersByTime(9_999);
    await turn();
    expect(refused).not.toHaveBeenCalled();
    jest.advanceTimersByTime(1);
    expect([(await refusal).status, (await refusal).body]).toEqual([
      503,
      { statusCode: 503, message: 'The handshake took too long: try again later' },
    ]);
    expect(Number((await refusal).headers['Retry-After'])).toBeGreaterThan(0);
  });

  it('ignores a result of onHandshake that arrives after the deadline', async () => {
    await prepare({ maxConnections: 1 });
    let finish = (_identity: Identity) => {};
    answer = () => new Promise<Identity>((resolve) => (finish = resolve));
    const refusal = refusalOf(admit());
    await turn();
    jest.advanceTimersByTime(10_000);
    await refusal;
    finish({ userId: 'late' });
    await turn();
    expect(await node.server.stats()).toMatchObject({ accepted: 0, current: 0, refused: 1 });
    answer = () => undefined;
    await expect(admit()).resolves.toBeDefined();
  });

  it('ignores a rejection of onHandshake that arrives after the deadline', async () => {
    let fail = (_error: Error) => {};
    answer = () => new Promise<void>((_resolve, reject) => (fail = reject));
    const refusal = refusalOf(admit());
    await turn();
    jest.advanceTimersByTime(10_000);
    await refusal;
    // an unhandled rejection fails the test run by itself
    fail(new Error('too late'));
    await turn();
    expect([node.log.with('too late'), node.engine.node.counters.refused]).toEqual([[], 1]);
  });

  it('leaves no timer behind, however a handshake ends', async () => {
    await admit();
    answer = () => {
      throw new HandshakeError(403);
    };
    await refusalOf(admit());
    answer = () => new Promise<void>(() => {});
    const refusal = refusalOf(admit());
    await turn();
    expect(jest.getTimerCount()).toBe(1);
    jest.advanceTimersByTime(10_000);
    await refusal;
    expect(jest.getTimerCount()).toBe(0);
  });
});

describe('a shutdown', () => {
  it('refuses new handshakes during a shutdown with 503 before any hook runs', async () => {
    node.engine.gate.stop();
    const refusal = await refusalOf(admit());
    expect([refusal.status, refusal.body, steps]).toEqual([
      503,
      { statusCode: 503, message: 'The server is shutting down: try again later' },
      [],
    ]);
  });

  it('refuses handshakes in progress as soon as a shutdown begins', async () => {
    let finish = () => {};
    answer = () => new Promise<void>((resolve) => (finish = resolve));
    const refusal = refusalOf(admit());
    await turn();
    node.engine.gate.stop();
    expect((await refusal).status).toBe(503);
    finish();
    await turn();
    expect(await node.server.stats()).toMatchObject({ accepted: 0, refused: 1 });
  });

  it('keeps refusing handshakes when start() is called after a shutdown', async () => {
    node.engine.gate.stop();
    await node.engine.start();
    expect((await refusalOf(admit())).status).toBe(503);
  });
});

describe('the identity', () => {
  const userIdFor = async (user: unknown) => (await admit({ extras: { user } })).identity.userId;

  it('takes the id or else the sub of the request’s user if onHandshake returns nothing', async () => {
    const users = [
      { id: 7 },
      { id: 'ann' },
      { sub: 'auth0|1' },
      { id: 0, sub: 'x' },
      { id: null, sub: 'x' },
      { id: 5n },
    ];
    const found: unknown[] = [];
    for (const user of users) found.push(await userIdFor(user));
    expect(found).toEqual(['7', 'ann', 'auth0|1', '0', 'x', '5']);
  });

  it('finds no user id in a user without an id, or in a value that is not a user', async () => {
    for (const user of [undefined, null, {}, 'ann', 7, { name: 'Ann' }]) expect(await userIdFor(user)).toBeUndefined();
  });

  it('prefers the user id of onHandshake to the user of the request', async () => {
    answer = () => ({ userId: 'from the hook' });
    expect(await userIdFor({ id: 7 })).toBe('from the hook');
    answer = () => ({ rooms: ['lobby'] });
    expect(await userIdFor({ id: 7 })).toBe('7');
  });

  it.each<[string, unknown]>([
    ['an empty user id', { userId: '' }],
    ['a user id that is not a string', { userId: 7 }],
    ['a user id that is too long', { userId: 'x'.repeat(257) }],
    ['an empty room', { rooms: ['lobby', ''] }],
    ['a room that is not a string', { rooms: [7] }],
    ['rooms that are not a list', { rooms: 7 }],
  ])('answers an identity with %s with 500, as a fault of the application', async (_what, identity) => {
    answer = () => identity as Identity;
    expect((await refusalOf(admit())).status).toBe(500);
    expect(node.engine.node.counters).toMatchObject({ refused: 1, hookErrors: 1 });
  });

  it('does not change the identity object that onHandshake returns', async () => {
    const kept = Object.freeze({ rooms: Object.freeze(['lobby']) });
    answer = () => kept;
    expect((await admit({ extras: { user: { id: 7 } } })).identity).toMatchObject({ userId: '7', rooms: ['lobby'] });
  });
});

describe('a plain request on a gateway path', () => {
  const probe = (parts: FakeRequestParts = {}) => {
    const request = fakeRequest({ url: '/door', ...parts });
    return refusalOf(node.engine.gate.probe({ incoming: request, raw: request as never, response: {} }));
  };

  it('answers a plain request that would be admitted with 426, and keeps no place', async () => {
    await prepare({ maxConnections: 1 });
    for (let count = 0; count < 2; count++) {
      const { status, headers } = await probe();
      expect([status, headers['Upgrade']]).toEqual([426, 'websocket']);
    }
    expect(await node.server.stats()).toMatchObject({ accepted: 0, refused: 0, current: 0 });
    await expect(admit()).resolves.toBeDefined();
  });

  it('answers a plain request that would be refused with the refusal', async () => {
    answer = () => {
      throw new HandshakeError(402, 'Pay first');
    };
    const refusal = await probe();
    expect([refusal.status, refusal.body]).toEqual([402, 'Pay first']);
    expect((await probe(EVIL)).status).toBe(403);
    expect((await probe({ url: '/nowhere' })).status).toBe(404);
  });
});
