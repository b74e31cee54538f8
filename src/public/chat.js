/**
 * The chat page, on nestjs-realtime-client: it connects, listens, says who is here, and sends. What it does when the
 * connection was away is in return.js; the other files only draw.
 */
import { showConnection } from './connection.js';
import { addMessage, addNote, addPending, removePending } from './conversation.js';
import { find, nameTag } from './elements.js';
import { markChosen, showPeople } from './people.js';
import { cameFromOther, watchReturn } from './return.js';

const LOBBY = 'lobby';
/** Longer than any tunnel: what is written without a connection is sent when there is one. */
const PATIENCE_MS = 86_400_000;
/** Somebody who has not pressed a key for so long is not typing. */
const TYPING_MS = 3000;
/** @type {readonly import('nestjs-realtime-client').Transport[]} */
const TRANSPORTS = ['websocket', 'sse', 'polling'];

/** @typedef {import('../chat.contract.js').Chat} Chat */

const joinForm = find('form', 'join-form');
const nameBox = find('input', 'name');
const nameHint = find('p', 'name-hint');
const chat = find('main', 'chat');
const command = find('pre', 'command');
const composer = find('form', 'composer');
const target = find('button', 'target');
const textBox = find('textarea', 'text');
const hint = find('p', 'hint');

/** @type {import('nestjs-realtime-client').RealtimeSocket<Chat>} */
let socket;
let me = '';
/** @type {string | undefined} The only person who will read the next message; undefined for everyone. */
let receiver;

/** @param {string} name */
function join(name) {
  me = name;
  sessionStorage.setItem('name', name);
  find('main', 'join').hidden = true;
  chat.hidden = false;
  writeTo(undefined);
  // With ?transport=sse the page uses that transport only
  const only = new window.URLSearchParams(location.search).get('transport');
  const transports = TRANSPORTS.filter((transport) => transport === only);
  socket = window.Realtime.connect(`/ws?name=${encodeURIComponent(name)}`, transports.length > 0 ? { transports } : {});
  showConnection(socket);
  listen();
}

function listen() {
  socket.on('welcome', welcome);
  socket.on('message', said);
  socket.on('private', said);
  socket.on('devices', ({ name, count }) => {
    devices.set(name, count);
    showHere();
  });
  socket.on('exception', ({ message }) => refuse(String(message)));
  // A text that is not an event: POST /push/… sends it
  socket.onRaw((text) => addMessage({ from: 'Server', text: String(text) }, 'server'));
  socket.room(LOBBY).on('presence', () => showHere());
  socket.onState(() => showHere());
  watchReturn(socket, LOBBY, { name: me, present: () => socket.request('present', mine()) });
}

/**
 * The server knows this connection for the first time.
 *
 * @param {Chat['server']['welcome']} connection
 */
function welcome({ id }) {
  isNewConnection = true;
  command.textContent = `curl --json '{"text":"Hello"}' ${location.origin}/push/connection/${id}`;
}

/** @param {Chat['server']['message'] & { to?: string }} line */
function said({ from, to, text, at, key }) {
  const isOwn = from === me;
  if (!isOwn) cameFromOther();
  const tag = to === undefined ? '' : tagOf(isOwn, to);
  addMessage({ from, text, at, tag, key }, isOwn ? 'own' : undefined);
}

/** @type {(isOwn: boolean, to: string) => string} */
const tagOf = (isOwn, to) => (isOwn ? `only to ${to}` : 'only to you');

// --- who is here ---

/** @type {Set<string>} */
let here = new Set();
let isNewConnection = true;
/** @type {Map<string, number>} How many devices a person has: presence says it at the join, then the server. */
const devices = new Map();

function showHere() {
  const { presence } = socket.room(LOBBY);
  const isOpen = socket.state.status === 'open';
  const names = [...presence.keys()].sort((a, b) => Number(b === me) - Number(a === me) || a.localeCompare(b));
  const people = names.map((name) => {
    const { state, connections } = presence.get(name) ?? {};
    const isTyping = isOpen && Boolean(state?.isTyping);
    return { name, isMe: name === me, isTyping, isAway: state?.isAway, devices: devices.get(name) ?? connections };
  });
  showPeople(people, writeTo);
  noteChanges(new Set(names));
  showReceiver();
}

/** @param {Set<string>} now Who came and who left is noted; the list that a new connection is given is not news. */
function noteChanges(now) {
  const gone = [...here].filter((name) => !now.has(name));
  const come = [...now].filter((name) => !here.has(name));
  for (const name of gone) devices.delete(name);
  here = now;
  if (isNewConnection) isNewConnection = now.size === 0;
  else {
    for (const name of come) addNote(nameTag(name), ' joined');
    for (const name of gone) addNote(nameTag(name), ' left');
  }
}

/** @type {ReturnType<typeof setTimeout> | undefined} */
let typingTimer;

/** What others see of this person. */
const mine = () => ({ isTyping: typingTimer !== undefined, isAway: document.hidden });

function present() {
  // Without a connection there is nobody to see it, and the next connection begins with it
  if (socket?.state.status === 'open') socket.emit('present', mine());
}

/** @param {boolean} isTyping */
function setTyping(isTyping) {
  const wasTyping = typingTimer !== undefined;
  clearTimeout(typingTimer);
  typingTimer = isTyping ? setTimeout(() => setTyping(false), TYPING_MS) : undefined;
  if (isTyping !== wasTyping) present();
}

document.addEventListener('visibilitychange', present);

// --- writing ---

/**
 * Sends a message, also when there is no connection yet: it waits, and is sent once.
 *
 * @param {string} text
 * @param {string | undefined} to
 */
async function send(text, to) {
  const key = newKey();
  addPending({ from: me, text, key, tag: to === undefined ? '' : tagOf(true, to) });
  try {
    const options = { timeout: PATIENCE_MS };
    await deliver(() =>
      to === undefined
        ? socket.request('say', { text, key }, options)
        : socket.request('whisper', { text, key, to }, options),
    );
  } catch (error) {
    const { message, data } = /** @type {import('nestjs-realtime-client').RequestError} */ (error);
    refuse(String(data?.message ?? `Not sent: ${message}`));
    if (textBox.value === '') textBox.value = text;
  }
  removePending(key);
}

/**
 * A server that died may have handled a message or not: with the same key, a repetition is harmless.
 *
 * @param {() => Promise<unknown>} request
 */
async function deliver(request) {
  for (;;) {
    try {
      return await request();
    } catch (error) {
      if (/** @type {import('nestjs-realtime-client').ClientError} */ (error).code !== 'unknown') throw error;
    }
  }
}

const newKey = () => window.crypto.getRandomValues(new Uint32Array(3)).join('-');

/** @param {string} why */
function refuse(why) {
  hint.textContent = why;
  textBox.ariaInvalid = String(why !== '');
}

composer.addEventListener('submit', (event) => {
  event.preventDefault();
  textBox.focus();
  const text = textBox.value.trim();
  if (text === '') return refuse('Write something first.');
  if (socket.state.status === 'closed') return refuse('Not sent: there is no connection.');
  textBox.value = '';
  setTyping(false);
  void send(text, receiver);
});

textBox.addEventListener('input', () => {
  refuse('');
  setTyping(textBox.value.trim() !== '');
});

textBox.addEventListener('keydown', (event) => {
  if (event.key === 'Escape') writeTo(undefined);
  if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  composer.requestSubmit();
});

/** @param {string | undefined} name */
function writeTo(name) {
  receiver = name;
  showReceiver();
  textBox.focus();
}

/** Shows the receiver. A person who has left stays chosen: a private message must not go to everyone. */
function showReceiver() {
  target.hidden = receiver === undefined;
  composer.classList.toggle('private', receiver !== undefined);
  textBox.placeholder = receiver === undefined ? 'Write to everyone' : `Only ${receiver} will read this`;
  const name = receiver ?? '';
  target.firstElementChild?.replaceChildren(here.has(name) ? 'To ' : 'Has left: ', nameTag(name));
  markChosen(receiver);
}

target.addEventListener('click', () => writeTo(undefined));
find('button', 'leave').addEventListener('click', () => sessionStorage.removeItem('name'));

joinForm.addEventListener('submit', (event) => {
  event.preventDefault();
  const name = nameBox.value.trim();
  if (name !== '') return join(name);
  nameHint.textContent = 'Please enter a name.';
  nameBox.ariaInvalid = 'true';
  nameBox.focus();
});

const known = sessionStorage.getItem('name');
if (known) join(known);
else nameBox.focus();
