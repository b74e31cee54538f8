import { jest } from '@jest/globals';
import { RecordingLog } from '../../../../test/support/fakes/recording-log.js';
import type { LocalNode } from '../broker.js';
import { ClusterLog } from './cluster-log.js';
import type { Announcement } from './messages.js';
import { Peers } from './peers.js';
import type { Letter, Post } from './post.js';

const FACTS = { connections: 1, rooms: 2, users: 3 };
const OTHER: Announcement = { reads: [1, 1], startedAt: 1, host: 'h', pid: 7, ...FACTS };

let log: RecordingLog;
let announced: string[];
let receivers: number;
let fault: Error | undefined;
let events: string[];
let peers: Peers;

beforeEach(() => {
  jest.useFakeTimers();
  log = new RecordingLog();
  announced = [];
  receivers = 1;
  fault = undefined;
  events = [];
  peers = make();
});
afterEach(async () => {
  await peers.stop(false);
  jest.useRealTimers();
});

function make(): Peers {
  const post = {
    announcement: (_announcement: Announcement, to: string) => {
      if (fault) throw fault;
      return to;
    },
    leave: () => 'leave',
    send: async (to: Letter) => (announced.push(to as unknown as string), receivers),
  } as unknown as Post;
  const local = { id: 'me', facts: () => FACTS } as LocalNode;
  const settings = { announceInterval: 2, nodeLostTime: 6, maxNodes: 3, askTimeout: 1 };
  return new Peers(local, post, settings, new ClusterLog(log), {
    came: (id) => events.push(`${id} came`),
    went: (id, how) => events.push(`${id} ${how}`),
  });
}

async function isMet(): Promise<boolean> {
  await jest.advanceTimersByTimeAsync(0);
  return peers.introduced === undefined;
}

describe('meeting the others', () => {
  it('is over at once when nobody else has heard the announcement', async () => {
    peers.introduce(undefined);
    expect(await isMet()).toBe(true);
  });

  it('waits for as many as have heard it', async () => {
    receivers = 3;
    peers.introduce(undefined);
    peers.announced('a', OTHER);
    expect(await isMet()).toBe(false);
    peers.announced('b', OTHER);
    expect(await isMet()).toBe(true);
  });

  it('waits for nobody longer than the time of a question', async () => {
    receivers = 3;
    peers.introduce(undefined);
    await jest.advanceTimersByTimeAsync(999);
    expect(peers.introduced).toBeDefined();
    await jest.advanceTimersByTimeAsync(1);
    expect(await isMet()).toBe(true);
  });

  it('does not wait for more than are ever known', async () => {
    receivers = 10;
    peers.introduce(undefined);
    for (const id of ['a', 'b', 'c']) peers.announced(id, OTHER);
    expect(await isMet()).toBe(true);
  });

  it('announces nothing before it can hear the answers', async () => {
    let subscribe!: () => void;
    peers.introduce(new Promise<void>((resolve) => (subscribe = resolve)));
    await jest.advanceTimersByTimeAsync(0);
    expect(announced).toEqual([]);
    subscribe();
    expect(await isMet()).toBe(true);
    expect(announced).toEqual(['*']);
  });

  it('goes on when it cannot announce itself', async () => {
    fault = new Error('too long');
    peers.introduce(undefined);
    peers.announced('a', OTHER);
    expect([await isMet(), events]).toEqual([true, ['a came']]);
    expect(log.with('Realtime publish failed')).toHaveLength(1);
  });

  it('answers a node that comes', async () => {
    peers.announced('a', OTHER);
    peers.announced('a', OTHER);
    await jest.advanceTimersByTimeAsync(0);
    expect([announced, events]).toEqual([['a'], ['a came']]);
  });
});

describe('the start', () => {
  it('fails when a node reads no version that this one sends', async () => {
    peers.announced('new', { ...OTHER, reads: [2, 3] });
    await expect(peers.start()).rejects.toThrow('new reads 2 to 3');
  });
});

describe('the others', () => {
  it('are named in the order of their ids, as they announced themselves', () => {
    for (const id of ['b', 'a']) peers.announced(id, { ...OTHER, host: id });
    const facts = { pid: 7, startedAt: 1, ...FACTS };
    expect(peers.all()).toEqual([
      { id: 'a', host: 'a', ...facts },
      { id: 'b', host: 'b', ...facts },
    ]);
  });

  it('are logged once when they come, leave, are lost, or are too many', async () => {
    await peers.start();
    for (const id of ['a', 'b', 'c', 'd', 'd']) peers.announced(id, OTHER);
    peers.left('a');
    for (let seconds = 0; seconds < 8; seconds += 2) {
      await jest.advanceTimersByTimeAsync(2000);
      // A node that does not hear itself loses nobody
      peers.announced('me', OTHER);
    }
    expect(log.lines).toEqual([
      ...['a', 'b', 'c'].map((id) => `log Realtime node came node=${id} host=h pid=7`),
      'warn Realtime node ignored node=d known=3 setting=REALTIME_MAX_NODES',
      'log Realtime node left node=a',
      'warn Realtime node lost node=b',
      'warn Realtime node lost node=c',
    ]);
    expect(events.slice(3)).toEqual(['a left', 'b lost', 'c lost']);
  });

  it('are told when this node stops, if they can be', async () => {
    await peers.start();
    await peers.stop(true);
    peers.announced('a', OTHER);
    expect(announced.at(-1)).toBe('leave');
    await jest.advanceTimersByTimeAsync(0);
    expect(jest.getTimerCount()).toBe(0);
  });
});
