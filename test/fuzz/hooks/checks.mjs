/** What must hold of every case, and of the application after it. */
import { isUnordered } from './client.mjs';

/** What the log may say of errors that the fuzzer makes. */
const EXPECTED = [
  /on purpose/,
  /error="undefined"|threw undefined/,
  /Close code 1005 may not be sent/,
  /may be in at most \d+ rooms/,
  /exceeds REALTIME_MAX_BUFFERED_BYTES/,
  /The session could not be saved/,
];

/** @returns the lines of the level `error` that nothing explains */
export const unexpected = (lines) => lines.filter((line) => !EXPECTED.some((expected) => expected.test(line)));

const TAG = /([\w-]+(?:\.\w+)?\|[spr]\|\d+)\|/g;

/** @returns the problem, if a client did not get tags of a kind in the order of the calls */
function orderOf(tags, kind) {
  const numbers = tags.filter(([, of]) => of === kind).map(([, , number]) => Number(number));
  const wrong = numbers.findIndex((number, index) => index > 0 && number <= numbers[index - 1]);
  if (wrong > 0) return [`received ${kind}${numbers[wrong]} after ${kind}${numbers[wrong - 1]}`];
  return [];
}

/** A client that the server closed, and that did not leave before, has had all that was sent before. */
function lossOf(record, received, { code, hasLeft }) {
  const { close, era, mayLose, taken } = record;
  const isWhole = !hasLeft && close?.code === code && ['server', 'shutdown'].includes(close.initiator);
  if (!isWhole || mayLose || era.settings.slowConsumer !== 'close') return [];
  const lost = taken.filter((tag) => !received.has(tag.slice(0, -1)));
  return lost.length > 0 ? [`did not get ${lost.slice(0, 5)} of ${taken.length} before the end ${code}`] : [];
}

function heardOf({ heard, plan }) {
  if (isUnordered(plan)) return [];
  const wrong = heard.findIndex((number, index) => index > 0 && number <= heard[index - 1]);
  return wrong > 0 ? [`onMessage got message ${heard[wrong]} after ${heard[wrong - 1]}`] : [];
}

function partProblems(part, records, ended, isLast) {
  const tags = part.texts.flatMap((text) => [...text.matchAll(TAG)].map(([, tag]) => tag.split('|')));
  const own = tags.filter(([of]) => of !== 'all');
  const ids = new Set(own.map(([id]) => id));
  // A client that received nothing knows its connection only if there was one
  const [only] = records.length === 1 ? records : [];
  const id = part.id ?? [...ids][0] ?? only?.connection.id;
  const record = records.find(({ connection }) => connection.id === id);
  const strange = [...ids].filter((id) => id !== record?.connection.id);
  if (strange.length > 0) return [`received messages of ${strange} as ${part.id}`];
  const received = new Set(tags.map((tag) => tag.join('|')));
  const order = ['s', 'p', 'r'].flatMap((kind) => orderOf(tags, kind));
  return record && isLast ? [...order, ...lossOf(record, received, ended)] : order;
}

/** @returns what is wrong with a case whose connections have all ended */
export function caseProblems(records, result) {
  const ofRecords = records.flatMap((record) => {
    const { connection, problems, opens, closes } = record;
    const pairs = opens === 1 && closes === 1 ? [] : [`onOpen ran ${opens} times, onClose ${closes} times`];
    return [...problems, ...pairs, ...heardOf(record)].map((problem) => `${connection.id}: ${problem}`);
  });
  const { parts } = result;
  const ofClient = parts.flatMap((part, index) => partProblems(part, records, result, index === parts.length - 1));
  return [...ofRecords, ...ofClient];
}
