import { RecordingLog } from '../../../../test/support/fakes/recording-log.js';
import { MemoryBroker } from '../brokers/memory.js';
import { Frame } from '../frame.js';
import type { MemberOutput } from '../history/room-member.js';
import type { Hub } from '../hub.js';
import { RealtimeSettings } from '../settings/settings.js';
import type { NodeConnection } from './answers.js';
import { Histories } from './histories.js';

const RULES = { size: 100, age: 60 };

describe('Histories', () => {
  const create = () => {
    const history = { size: 100, age: 60 };
    const settings = RealtimeSettings.from({ envFile: false, rooms: { '*': { history } }, maxHistoryBytes: 5000 }, {});
    const broker = new MemoryBroker(settings);
    const log = new RecordingLog();
    const hub = { deliverInPlace: () => {} } as unknown as Hub<NodeConnection>;
    return { broker, log, histories: new Histories(settings, broker, () => hub, log) };
  };
  const enter = (histories: Histories) => {
    const output: MemberOutput = {
      ...{ entry: () => true, at: () => {}, gap: () => {}, joined: () => {}, isExcepted: () => false },
    };
    return histories.streams.enter('r:a', {} as NodeConnection, output, {});
  };

  it('counts what the memory has evicted, and logs it once a second at most', async () => {
    const { log, histories } = create();
    expect(histories.stats().evicted).toBe(0);
    for (let n = 0; n < 20; n++) {
      await histories.append({ channel: 'r:a', except: [], frame: new Frame('x'.repeat(500)) }, RULES);
    }
    expect(histories.stats().evicted).toBeGreaterThan(10);
    expect(log.lines.filter((line) => line.includes('evicted'))).toEqual([
      expect.stringMatching(/^warn Realtime history evicted total=1 setting=REALTIME_MAX_HISTORY_BYTES$/),
    ]);
  });

  it('logs a read with the number of entries, and one that has failed with the error', async () => {
    const { broker, log, histories } = create();
    await histories.append({ channel: 'r:a', except: [], frame: new Frame('x') }, RULES);
    await enter(histories);
    expect(log.lines).toEqual(['debug Realtime history read channel=r:a entries=1']);
    broker.history.read = () => Promise.reject(new Error('away'));
    histories.streams.missed('all');
    await new Promise((resolve) => setImmediate(resolve));
    expect(log.lines.slice(1)).toEqual(['warn Realtime history read failed channel=r:a error="Error: away"']);
    expect(histories.stats().reads).toBe(2);
  });

  it('counts every gap, and logs one of each reason per second', () => {
    const { log, histories } = create();
    for (let n = 0; n < 1000; n++) histories.gap('r:a', 'slow');
    histories.gap('r:b', 'reset');
    expect(histories.stats().gaps).toBe(1001);
    expect(log.lines).toEqual([
      'warn Realtime history gap channel=r:a reason=slow',
      'warn Realtime history gap channel=r:b reason=reset',
    ]);
  });
});
