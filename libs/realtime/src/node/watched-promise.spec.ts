import { FakeNode } from '../../../../test/support/fakes/fake-node.js';
import { RecordingLog } from '../../../../test/support/fakes/recording-log.js';
import { watched } from './watched-promise.js';

const about = { transport: 'sse', id: 'node.1' };
const reject = () => Promise.reject(new Error('no'));

describe('watched', () => {
  let log: RecordingLog;
  const unhandled: unknown[] = [];
  const note = (reason: unknown) => unhandled.push(reason);

  beforeEach(() => {
    log = new RecordingLog();
    unhandled.length = 0;
    process.on('unhandledRejection', note);
  });

  afterEach(() => process.off('unhandledRejection', note));

  /** Long enough for Node to report an unhandled rejection, and for the log line. */
  const twoTurns = async () => {
    for (let turns = 0; turns < 2; turns++) await new Promise(setImmediate);
  };

  it('resolves with the value that the work returns or resolves with', async () => {
    await expect(watched(log, 'join', about, () => 7)).resolves.toBe(7);
    await expect(watched(log, 'join', about, async () => 8)).resolves.toBe(8);
    await expect(watched(log, 'join', about, () => undefined)).resolves.toBeUndefined();
  });

  it.each([
    [
      'throws',
      () => {
        throw new Error('no');
      },
    ],
    ['rejects', reject],
  ])('rejects, and logs nothing, when work that somebody waits for %s', async (_how, work: () => unknown) => {
    await expect(watched(log, 'join', about, work)).rejects.toThrow('no');
    await twoTurns();
    expect(log.lines).toEqual([]);
    expect(unhandled).toEqual([]);
  });

  it('logs an error that nobody waits for, with the place of the call, and Node reports no unhandled rejection', async () => {
    void watched(log, 'join', about, () => {
      throw new RangeError('too long');
    });
    void watched(log, 'push', { to: 'r:a b' }, reject);
    await twoTurns();
    expect(log.lines).toEqual([
      'error SSE join failed id=node.1 error="RangeError: too long" awaited=no',
      'error Realtime push failed to="r:a b" error="Error: no" awaited=no',
    ]);
    expect(log.stacks[0]).toContain('watched-promise.spec');
    expect(unhandled).toEqual([]);
  });

  it('still rejects for somebody who waits for it only later', async () => {
    const late = watched(log, 'join', about, reject);
    await twoTurns();
    expect(log.lines).toHaveLength(1);
    await expect(late).rejects.toThrow('no');
    expect(unhandled).toEqual([]);
  });

  it('leaves promises that the application derives from it to the application', async () => {
    const derived = watched(log, 'join', about, reject).then(() => 1);
    expect(derived.constructor).toBe(Promise);
    await expect(derived).rejects.toThrow('no');
    await twoTurns();
    expect(log.lines).toEqual([]);
  });

  it('ends no process, whatever the application passes to a call that it does not wait for', async () => {
    const fake = await new FakeNode({ maxRoomsPerConnection: 1, heartbeatPingInterval: 0 }).start();
    const { connection } = await fake.opened({ rooms: ['one'] });
    const { server } = fake;
    const tooLong = 'x'.repeat(10_000);
    const calls: (() => Promise<unknown>)[] = [
      () => connection.join('two'),
      () => connection.join(undefined as never),
      () => connection.leave(null as never),
      () => server.toEveryone().emit(tooLong),
      () => server.toEveryone().emit('e', 1n),
      () => server.to('one').push({} as never),
      () => server.to('one').join(tooLong),
      () => server.to('one').leave(tooLong),
      () => server.toUser('7').disconnect(4500, tooLong),
      () => server.toUser('7').disconnect(1),
      () => server.push(connection.id, 7 as never),
      () => server.disconnect(connection.id, 4500, Symbol('x') as never),
      () => server.exists(undefined as never),
      () => server.info(null as never),
      () => server.list({ limit: 0 }),
      () => server.list({ after: 'nobody' }),
      () => server.bind(connection.id, ''),
      () => server.bind(connection.id, 7 as never),
    ];
    for (const call of calls) void call();
    await twoTurns();
    expect(unhandled).toEqual([]);
    expect(fake.log.with('awaited=no').length).toBeGreaterThan(12);
    expect(fake.log.with(`join failed id=${connection.id}`)).toHaveLength(2);
  });
});
