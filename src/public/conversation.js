/** Draws the conversation. */
import { avatar, element, find } from './elements.js';

/** @typedef {{ from: string, text: string, at: number, tag: string }} Shown */
/** @typedef {'own' | 'server' | undefined} Kind undefined: another person's */

const MOST_LINES = 500;
const GROUPED_MS = 5 * 60_000;
const NEAR_END_PX = 80;
const DAY_MS = 86_400_000;

const log = find('div', 'log');
const clock = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit' });
const calendar = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'short' });
/** @type {Map<string | undefined, HTMLElement>} Messages that the server has not confirmed yet, by their keys. */
const pending = new Map();
/** @type {Partial<Shown>} The message before. */
let last = {};
let isAtEnd = true;

log.addEventListener('scroll', () => {
  isAtEnd = log.scrollHeight - log.scrollTop - log.clientHeight < NEAR_END_PX;
});
new window.ResizeObserver(() => isAtEnd && scrollToEnd()).observe(log);

/**
 * Adds a message.
 *
 * @param {object} message
 * @param {string} message.from the sender
 * @param {string} message.text
 * @param {number} [message.at] when it was sent, in milliseconds since 1970; default: now
 * @param {string} [message.key] a message of this page with this key was pending, and this takes its place
 * @param {string} [message.tag] for whom it is, if not for everyone
 * @param {Kind} [kind]
 */
export function addMessage({ from, text, at = Date.now(), key, tag = '' }, kind) {
  removePending(key);
  const line = lineOf({ from, text, at, tag }, kind);
  line.classList.toggle('follows', follows({ from, tag, at }));
  addLine(line, kind === 'own');
}

/**
 * Adds a message of this page that the server has not confirmed yet. It stays below all others.
 *
 * @param {{ from: string, text: string, key: string, tag?: string }} message
 */
export function addPending({ from, text, key, tag = '' }) {
  const line = lineOf({ from, text, at: Date.now(), tag }, 'own');
  line.classList.add('pending');
  line.querySelector('time')?.replaceChildren('Sending…');
  pending.set(key, line);
  addLine(line, true);
}

/** @param {string} [key] */
export function removePending(key) {
  pending.get(key)?.remove();
  pending.delete(key);
}

/**
 * Adds a note: a person joined or left, or the connection changed.
 *
 * @param {(string | Node)[]} parts
 */
export function addNote(...parts) {
  const line = element('p', 'note');
  line.append(...parts);
  last = {};
  addLine(line, false);
  return line;
}

/** Adds a line across the conversation, above what was missed. */
export function addDivider() {
  const line = addNote('New');
  line.classList.add('divider');
  return line;
}

/**
 * Old messages arrive: a screen reader is not to read them all.
 *
 * @param {boolean} isBusy
 */
export function setBusy(isBusy) {
  log.ariaBusy = String(isBusy);
}

/**
 * @param {Shown} message
 * @param {Kind} kind
 */
function lineOf({ from, text, at, tag }, kind) {
  const line = element('div', `message ${kind ?? ''} ${tag === '' ? '' : 'private'}`);
  const who = element('p', 'who');
  who.append(element('bdi', 'name', kind === 'own' ? 'You' : from));
  if (tag !== '') who.append(element('span', 'tag', tag));
  who.append(element('time', '', (Date.now() - at < DAY_MS ? clock : calendar).format(at)));
  const bubble = element('div', 'bubble');
  bubble.append(who, element('p', 'words', text));
  line.append(avatar(kind === 'server' ? '↯' : from), bubble);
  return line;
}

/**
 * Returns whether a message follows one that the same person sent just before to the same people.
 *
 * @param {Omit<Shown, 'text'>} said
 */
function follows(said) {
  const { from, tag, at = 0 } = last;
  last = said;
  return said.from === from && said.tag === tag && said.at - at < GROUPED_MS;
}

/**
 * @param {HTMLElement} line
 * @param {boolean} isOwn
 */
function addLine(line, isOwn) {
  const isFollowing = isAtEnd || isOwn;
  const [firstPending] = line.classList.contains('pending') ? [] : pending.values();
  log.insertBefore(line, firstPending ?? null);
  if (log.children.length > MOST_LINES) log.firstElementChild?.remove();
  if (isFollowing) scrollToEnd();
}

function scrollToEnd() {
  log.scrollTop = log.scrollHeight;
}
