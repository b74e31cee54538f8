import { jest } from '@jest/globals';
import { RealtimeError } from '../errors.js';
import { OpenSession } from './session.js';

const TIMEOUT_MS = 1000;

type Done = (error?: unknown) => void;

/** A session whose store the test answers for; `save` is not part of its data. */
class FakeSession {
  user?: string;
  self?: unknown;
  readonly save = jest.fn<(done: Done) => unknown>((done) => done());
}

let session: FakeSession;
let open: OpenSession;

beforeEach(() => {
  jest.useFakeTimers();
  session = new FakeSession();
  open = OpenSession.of(session)!;
});

afterEach(() => {
  expect(jest.getTimerCount()).toBe(0);
  jest.useRealTimers();
});

/** Saves changes that fail. @returns the reason */
async function causeOf(saving: Promise<void>): Promise<unknown> {
  const error: unknown = await saving.catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(RealtimeError);
  expect(error).toMatchObject({ code: 'session_not_saved' });
  return (error as Error).cause;
}

it.each([[undefined], [null], ['text'], [{}], [{ save: true }]])('finds no session to save in %p', (value) => {
  expect(OpenSession.of(value)).toBeUndefined();
});

it('does not save a session without changes', async () => {
  await open.saveChanges(TIMEOUT_MS);
  expect(session.save).not.toHaveBeenCalled();
});

it('saves a changed session once', async () => {
  session.user = 'ann';
  await open.saveChanges(TIMEOUT_MS);
  await open.saveChanges(TIMEOUT_MS);
  expect(session.save).toHaveBeenCalledTimes(1);
});

it('saves a session that cannot be compared', async () => {
  session.self = session;
  await open.saveChanges(TIMEOUT_MS);
  expect(session.save).toHaveBeenCalledTimes(1);
});

it('waits for a store that returns a promise', async () => {
  let stored!: () => void;
  session.save.mockImplementation(() => new Promise<void>((resolve) => (stored = resolve)));
  session.user = 'ann';
  const ended = jest.fn();
  const saving = open.saveChanges(TIMEOUT_MS).then(ended);
  await jest.advanceTimersByTimeAsync(TIMEOUT_MS - 1);
  expect(ended).not.toHaveBeenCalled();
  stored();
  await saving;
  expect(ended).toHaveBeenCalledTimes(1);
});

it.each<[string, (error: Error) => (done: Done) => unknown]>([
  ['calls back with an error', (error) => (done) => done(error)],
  ['rejects', (error) => () => Promise.reject(error)],
  [
    'throws',
    (error) => () => {
      throw error;
    },
  ],
])('reports session_not_saved when the store %s', async (_how, failing) => {
  const error = new Error('no connection to the store');
  session.save.mockImplementation(failing(error));
  session.user = 'ann';
  expect(await causeOf(open.saveChanges(TIMEOUT_MS))).toBe(error);
});

it('reports session_not_saved when the store takes too long', async () => {
  session.save.mockImplementation(() => undefined);
  session.user = 'ann';
  const cause = causeOf(open.saveChanges(TIMEOUT_MS));
  await jest.advanceTimersByTimeAsync(TIMEOUT_MS);
  expect(await cause).toEqual(new Error('The session store took longer than 1000 ms'));
});
