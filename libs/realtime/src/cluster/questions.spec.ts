import { jest } from '@jest/globals';
import { RecordingLog } from '../../../../test/support/fakes/recording-log.js';
import type { LocalNode } from '../broker.js';
import { RealtimeError } from '../errors.js';
import type { Question } from '../question.js';
import { ClusterLog } from './cluster-log.js';
import type { Answer, Ask } from './messages.js';
import type { Letter, Post } from './post.js';
import { Questions } from './questions.js';

const COUNT: Question = { kind: 'count', channel: 'r:a', except: [] };

let log: RecordingLog;
let lines: ClusterLog;
let sent: { what: Ask | Answer; to: string }[];
let answer: (question: Question) => unknown;
let unsendable: (answer: Answer) => boolean;
let questions: Questions;

beforeEach(() => {
  jest.useFakeTimers();
  log = new RecordingLog();
  lines = new ClusterLog(log);
  sent = [];
  answer = () => 7;
  unsendable = () => false;
  questions = make(10);
});
afterEach(() => jest.useRealTimers());

function make(maxQuestions: number): Questions {
  let ids = 0;
  const letter = (what: Ask | Answer, to: string) => ({ what, to }) as unknown as Letter;
  const post = {
    nextId: () => ++ids,
    ask: letter,
    answer: (what: Answer, to: string) => {
      if (unsendable(what)) throw new RealtimeError('bad_body', 'not on this wire');
      return letter(what, to);
    },
    send: async (each: Letter) => sent.push(each as unknown as (typeof sent)[number]),
  } as unknown as Post;
  const local = { answer: (question: Question) => answer(question) } as unknown as LocalNode;
  return new Questions(local, post, { askTimeout: 1, maxQuestions, maxMembers: 100 }, lines);
}

const answered = (value: number): Answer => ({ id: 1, kind: 'count', value, part: 0, hasMore: false });

describe('a question to others', () => {
  it('goes to one node, or to all at once, and has the answers by node', async () => {
    const asked = questions.ask(COUNT, ['b', 'c']);
    await jest.advanceTimersByTimeAsync(0);
    expect(sent).toEqual([{ what: { id: 1, question: COUNT }, to: '*' }]);
    questions.answered('b', answered(1));
    questions.answered('c', answered(2));
    expect(await asked).toEqual({
      answers: new Map([
        ['b', 1],
        ['c', 2],
      ]),
      missing: [],
    });
    void questions.ask(COUNT, ['b']);
    await jest.advanceTimersByTimeAsync(0);
    expect(sent[1]!.to).toBe('b');
  });

  it('names, counts and logs who has not answered in time', async () => {
    const asked = questions.ask(COUNT, ['b', 'c']);
    questions.answered('b', answered(1));
    await jest.advanceTimersByTimeAsync(1000);
    expect(await asked).toEqual({ answers: new Map([['b', 1]]), missing: ['c'] });
    expect([lines.counts.unanswered, log.lines]).toEqual([
      1,
      ['warn Realtime nodes did not answer in time to=count nodes=c'],
    ]);
  });

  it('rejects with the error of a node that refuses', async () => {
    const asked = questions.ask(COUNT, ['b']);
    questions.answered('b', { id: 1, kind: 'failed', code: 'too_many_members', message: 'Too many' });
    await expect(asked).rejects.toMatchObject({ code: 'too_many_members', message: 'Too many' });
  });

  it('ignores the answer to another kind of question', async () => {
    const asked = questions.ask(COUNT, ['b']);
    questions.answered('b', { id: 1, kind: 'exists', value: true, part: 0, hasMore: false });
    questions.answered('b', answered(3));
    expect((await asked).answers.get('b')).toBe(3);
  });

  it('is not asked when too many wait, and says so', async () => {
    questions = make(1);
    void questions.ask(COUNT, ['b']);
    expect(await questions.ask(COUNT, ['b'])).toEqual({ answers: new Map(), missing: ['b'] });
    expect([lines.counts.questionsDropped, log.with('setting=REALTIME_MAX_QUESTIONS')]).toEqual([
      1,
      [expect.anything()],
    ]);
  });
});

describe('a question of another node', () => {
  it('is answered to that node', async () => {
    await questions.asked('b', { id: 5, question: COUNT });
    expect(sent).toEqual([{ what: { ...answered(7), id: 5 }, to: 'b' }]);
  });

  it('is answered in parts when the list is long', async () => {
    answer = () =>
      Array.from({ length: 2000 }, (_, number) => ({ id: `n.${number.toString(36)}`, userId: 'u'.repeat(30) }));
    await questions.asked('b', { id: 5, question: { ...COUNT, kind: 'members' } as Question });
    const parts = sent.map(({ what }) => what as Extract<Answer, { kind: 'members' }>);
    expect(parts.length).toBeGreaterThan(2);
    expect(parts.map(({ part }) => part)).toEqual(parts.map((_, index) => index));
    expect(parts.flatMap(({ value }) => value)).toHaveLength(2000);
  });

  it('gets the code and the words of a refusal', async () => {
    answer = () => {
      throw new RealtimeError('too_many_members', 'Too many');
    };
    await questions.asked('b', { id: 5, question: COUNT });
    expect(sent[0]!.what).toEqual({ id: 5, kind: 'failed', code: 'too_many_members', message: 'Too many' });
    expect(log.lines).toEqual([]);
  });

  it('learns nothing of an error that is a fault of this node, which its log has', async () => {
    answer = () => Promise.reject(new Error('secret'));
    await questions.asked('b', { id: 5, question: COUNT });
    expect(JSON.stringify(sent)).not.toContain('secret');
    expect(sent[0]!.what).toMatchObject({ kind: 'failed', code: 'failed' });
    expect(log.lines[0]).toContain('error Realtime answer to count failed error="Error: secret"');
  });

  it('is told that an answer which cannot be on the wire will not come', async () => {
    unsendable = ({ kind }) => kind === 'count';
    await questions.asked('b', { id: 5, question: COUNT });
    expect(sent).toEqual([{ what: { id: 5, kind: 'failed', code: 'failed', message: expect.any(String) }, to: 'b' }]);
  });

  it('is not answered when nobody waits for it', async () => {
    await questions.asked('b', { question: COUNT });
    expect(sent).toEqual([]);
  });

  it('is not answered while too many are being answered', async () => {
    questions = make(1);
    let release!: (value: number) => void;
    answer = () => new Promise((resolve) => (release = resolve));
    const first = questions.asked('b', { id: 5, question: COUNT });
    await questions.asked('b', { id: 6, question: COUNT });
    release(7);
    await first;
    expect([sent.length, lines.counts.questionsDropped]).toEqual([1, 1]);
  });
});
