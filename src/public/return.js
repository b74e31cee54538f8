/** Away, and back: counts what was missed, and says so where something may be lost. */
import { addDivider, addNote, setBusy } from './conversation.js';
import { nameTag } from './elements.js';

/** @typedef {import('nestjs-realtime-client').State} State */
/** @typedef {{ count: number, isWhole: boolean, divider?: HTMLElement }} Absence */

const NAMES = { websocket: 'WebSocket', sse: 'SSE', polling: 'long polling' };

/** @type {Absence | undefined} From the loss of the connection until everything that was missed has come. */
let absence;
/** Messages that came while the page was hidden. */
let unread = 0;

/**
 * Watches a socket that comes and goes.
 *
 * @param {import('nestjs-realtime-client').RealtimeSocket<import('../chat.contract.js').Chat>} socket
 * @param {string} room a room with history
 * @param {{ name: string, present: () => Promise<unknown> }} person who joins, and a request to send after each join
 */
export function watchReturn(socket, room, { name, present }) {
  let hasJoined = false;
  /** @type {import('nestjs-realtime-client').Transport | undefined} */
  let transport;

  socket.onState((state) => {
    if (state.status === 'open') void opened(state);
    else if (state.status !== 'connecting' && hasJoined && !absence) {
      absence = { count: 0, isWhole: true };
      addNote(`${state.status === 'closed' ? 'Disconnected' : 'Connection lost'}: ${state.reason}`);
    }
  });
  for (const stream of [socket.room(room), socket.user]) stream.on('gap', mayBeLost);

  /** @param {Extract<State, { status: 'open' }>} state */
  async function opened(state) {
    const isMove = hasJoined && !absence && state.transport !== transport;
    transport = state.transport;
    if (isMove) addNote(`Moved to ${NAMES[state.transport]}`);
    if (hasJoined && !absence) return;
    setBusy(true);
    try {
      // The server answers in order: whatever the page has missed comes before the answer
      await present();
    } catch {
      return; // lost again: the next connection does it
    }
    setBusy(false);
    if (!hasJoined) addNote('You joined as ', nameTag(name));
    else if (absence) sumUp(absence);
    hasJoined = true;
    absence = undefined;
  }
}

/** A message of another person has come. */
export function cameFromOther() {
  if (absence) {
    absence.divider ??= addDivider();
    absence.count++;
  }
  if (document.hidden) unread++;
  showTitle();
}

/** @param {Absence} absence */
function sumUp({ count, divider, isWhole }) {
  addNote(isWhole ? 'You are back' : 'You are back. Some messages may be lost');
  if (!divider) return;
  divider.textContent = `You missed ${count === 1 ? '1 message' : `${count} messages`}`;
  // One reads on where one was
  divider.scrollIntoView({ block: 'start' });
}

/** The server no longer has all that this page lacks. */
function mayBeLost() {
  if (absence) absence.isWhole = false;
  else addNote('Some messages may be lost');
}

function showTitle() {
  document.title = `${unread > 0 ? `(${unread}) ` : ''}Chat · nestjs-realtime`;
}

document.addEventListener('visibilitychange', () => {
  if (!document.hidden) unread = 0;
  showTitle();
});
