/** Shows what becomes of the connection: its state in words, why it is away and when it tries again, and the transport. */
import { find } from './elements.js';

/** @typedef {import('nestjs-realtime-client').State} State */

const chat = find('main', 'chat');
const words = find('p', 'state');
const leave = find('button', 'leave');
const menu = find('select', 'transport');
const banner = find('div', 'trouble');
const why = find('span', 'trouble-why');
const when = find('span', 'trouble-when');
const again = find('button', 'again');

const WORDS = { connecting: 'Connecting', open: 'Connected', waiting: 'Reconnecting', closed: 'Disconnected' };
/** A move to another transport that has not happened by then did not work: the connection has stayed where it was. */
const MOVE_MS = 5000;

/** @type {ReturnType<typeof setInterval> | undefined} */
let countdown;

/**
 * Shows the state of a socket from now on.
 *
 * @param {import('nestjs-realtime-client').RealtimeSocket<import('../chat.contract.js').Chat>} socket
 */
export function showConnection(socket) {
  const show = () => {
    const { state } = socket;
    const isOffline = !window.navigator.onLine && state.status !== 'closed';
    chat.dataset.state = isOffline ? 'offline' : state.status;
    words.textContent = isOffline ? 'Offline' : WORDS[state.status];
    leave.hidden = state.status === 'closed';
    if (state.status === 'open') menu.value = state.transport;
    showBanner(state, isOffline);
  };
  socket.onState(show);
  window.addEventListener('online', show);
  window.addEventListener('offline', show);
  menu.addEventListener('change', () => {
    socket.use(/** @type {import('nestjs-realtime-client').Transport} */ (menu.value));
    setTimeout(show, MOVE_MS);
  });
  again.addEventListener('click', () => socket.connect());
  leave.addEventListener('click', () => socket.close());
  show();
}

/**
 * @param {State} state
 * @param {boolean} isOffline
 */
function showBanner(state, isOffline) {
  clearInterval(countdown);
  again.hidden = isOffline;
  if (isOffline) say('You are offline.', 'What you write is sent when the network is back.');
  else if (state.status === 'waiting') countDown(state);
  else if (state.status === 'closed') say(`Disconnected: ${state.reason}.`, 'This page does not reconnect by itself.');
  else if (state.status === 'connecting' && !banner.hidden) say(String(why.textContent), 'Trying now.');
  else banner.hidden = state.status === 'open' || banner.hidden;
}

/** @param {Extract<State, { status: 'waiting' }>} state its `retryAt` is undefined while the device is offline */
function countDown({ reason, retryAt = Date.now() }) {
  const show = () => {
    const seconds = Math.ceil((retryAt - Date.now()) / 1000);
    say(`No connection: ${reason}.`, seconds > 0 ? `Trying again in ${seconds} s.` : 'Trying now.');
  };
  show();
  countdown = setInterval(show, 250);
}

/**
 * A text that stays as it is is not set again: a screen reader would read it again.
 *
 * @param {string} reason
 * @param {string} next
 */
function say(reason, next) {
  banner.hidden = false;
  if (why.textContent !== reason) why.textContent = reason;
  when.textContent = next;
}
