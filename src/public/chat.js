/** The chat page: incoming messages, what people do, and the state of the connection. */
import { addMessage, addNote, avatar, element, nameTag } from './conversation.js';
import { meaningOf, ReconnectingSocket } from './reconnecting-socket.js';

const [joinForm, nameBox, nameHint] = find('join-form', 'name', 'name-hint');
const [chat, state, via, people, count, command] = find('chat', 'state', 'via', 'people', 'count', 'command');
const [trouble, troubleText, again, leave] = find('trouble', 'trouble-text', 'again', 'leave');
const [composer, target, textBox, hint] = find('composer', 'target', 'text', 'hint');

/** With `?transport=sse` the page uses that transport only. */
const only = new window.URLSearchParams(location.search).get('transport');
const socket = new ReconnectingSocket('/ws', { onText, onState, only });

/** This page's own connection: a new one after each reconnect. */
let myId;
let myName;
/** Who is here, by connection id. */
let here = new Map();
/** The only person who will read the next message; undefined for everyone. */
let receiver;
let lastSent = '';
let wasConnected = false;
let countdown;

// --- incoming messages ---

const frames = new Map(
  Object.entries({
    welcome({ id }) {
      myId = id;
      command.textContent = `curl --json '{"text":"Hello"}' ${location.origin}/push/connection/${id}`;
      send({ type: 'connect', text: myName });
    },
    connect({ id, name, people }) {
      if (id !== myId) addNote(nameTag(name), ' joined');
      else if (wasConnected) addNote('You are back');
      else addNote('You joined as ', nameTag(name));
      wasConnected ||= id === myId;
      showPeople(people);
    },
    close({ name, people }) {
      addNote(nameTag(name), ' left');
      showPeople(people);
    },
    message: said,
    private: said,
  }),
);

function onText(text) {
  const { type, event, data } = parsed(text);
  if (event === 'exception') takeBack(data.message);
  else if (frames.has(type)) frames.get(type)(data);
  else addMessage({ name: 'Server', text, isServer: true });
}

/** Parses a frame of the chat. The server may push any text: only an object that carries data is a frame. */
function parsed(text) {
  try {
    const frame = JSON.parse(text);
    return typeof frame?.data === 'object' && frame.data !== null ? frame : {};
  } catch {
    return {};
  }
}

function said({ id, name, to, text }) {
  const isOwn = id === myId;
  const secret = isOwn ? `only to ${here.get(to)?.name ?? 'one'}` : 'only to you';
  addMessage({ from: id, name, text, isOwn, tag: to === undefined ? '' : secret });
}

// --- the connection ---

const VIA = { websocket: 'WebSocket', sse: 'SSE', polling: 'long polling' };
const STATES = { connecting: 'Connecting', open: 'Connected', waiting: 'Reconnecting', closed: 'Disconnected' };

function onState(change) {
  clearInterval(countdown);
  chat.dataset.state = change.state;
  state.textContent = STATES[change.state];
  via.textContent = VIA[change.transport] ?? '';
  via.hidden = change.state !== 'open';
  leave.hidden = change.state === 'closed';
  if (change.state === 'open') trouble.hidden = true;
  if (change.code !== undefined) addNote(`Connection closed with ${change.code}`);
  if (change.state === 'waiting' || change.state === 'closed') explain(change);
}

/** Shows what happened and what happens next. */
function explain({ state, code, reason, refusal, delay }) {
  const closed = `Closed with ${code}: ${meaningOf(code)}${reason ? ` (${reason})` : ''}.`;
  const next = element('span', '', 'This page will not reconnect.');
  if (state === 'waiting') countDown(next, Math.ceil(delay / 1000));
  troubleText.replaceChildren(`${refusal ? refusalText(refusal) : closed} `, next);
  trouble.hidden = false;
}

/** Hidden from screen readers, which would read every second aloud. */
function countDown(place, seconds) {
  const show = () => (place.textContent = `Trying again in ${Math.max(1, seconds--)} s.`);
  place.ariaHidden = 'true';
  show();
  countdown = setInterval(show, 1000);
}

function refusalText({ status, message }) {
  if (status === 0) return 'The server does not answer.';
  if (status === 426) return 'The connection was blocked on its way; the server itself would have accepted it.';
  return `The server refused with ${status}: ${message}.`;
}

// --- who is here ---

function showPeople(list) {
  here = new Map(list.map((person) => [person.id, person]));
  count.textContent = here.size;
  const focusedId = document.activeElement?.closest('#people li')?.dataset.id;
  people.replaceChildren(...list.map(rowOf));
  if (focusedId) people.querySelector(`[data-id="${focusedId}"] button`)?.focus();
  showReceiver();
}

function rowOf({ id, name }) {
  const isMe = id === myId;
  const person = element(isMe ? 'div' : 'button', 'person');
  person.append(avatar(name), element('bdi', 'name', name));
  if (isMe) person.append(element('span', 'tag', 'you'));
  else Object.assign(person, { type: 'button', title: `Write to ${name} only`, onclick: () => writeTo({ id, name }) });
  const row = element('li');
  row.dataset.id = id;
  row.append(person);
  return row;
}

function writeTo(person) {
  receiver = person;
  showReceiver();
  textBox.focus();
}

/** Shows the receiver. A person who has left stays chosen: a private message must not go to everyone. */
function showReceiver() {
  target.hidden = !receiver;
  composer.classList.toggle('private', Boolean(receiver));
  textBox.placeholder = receiver ? `Only ${receiver.name} will read this` : 'Write to everyone';
  const mark = here.has(receiver?.id) ? 'To' : 'Has left:';
  target.firstElementChild.replaceChildren(`${mark} `, nameTag(receiver?.name ?? ''));
  for (const row of people.children) row.classList.toggle('chosen', row.dataset.id === receiver?.id);
}

// --- what people do ---

function send(frame) {
  return socket.send(JSON.stringify(frame));
}

function refuse(why) {
  hint.textContent = why;
  textBox.ariaInvalid = 'true';
}

/** Shows why the server refused a message, and puts its text back into the box. */
function takeBack(why) {
  refuse(why);
  if (textBox.value === '') textBox.value = lastSent;
}

composer.addEventListener('submit', (event) => {
  event.preventDefault();
  textBox.focus();
  const text = textBox.value.trim();
  if (text === '') return refuse('Write something first.');
  const isSent = receiver ? send({ type: 'private', to: receiver.id, text }) : send({ type: 'message', text });
  if (!isSent) return refuse('Not sent: there is no connection.');
  lastSent = text;
  textBox.value = '';
});

textBox.addEventListener('input', () => {
  hint.textContent = '';
  textBox.ariaInvalid = 'false';
});

textBox.addEventListener('keydown', (event) => {
  if (event.key === 'Escape') writeTo(undefined);
  if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  composer.requestSubmit();
});

joinForm.addEventListener('submit', (event) => {
  event.preventDefault();
  const name = nameBox.value.trim();
  if (name !== '') return join(name);
  nameHint.textContent = 'Please enter a name.';
  nameBox.ariaInvalid = 'true';
  nameBox.focus();
});

function join(name) {
  myName = name;
  sessionStorage.setItem('name', name);
  document.getElementById('join').hidden = true;
  chat.hidden = false;
  writeTo(undefined);
  socket.connect();
}

target.addEventListener('click', () => writeTo(undefined));
again.addEventListener('click', () => socket.connect());
leave.addEventListener('click', () => {
  sessionStorage.removeItem('name');
  socket.leave();
});
window.addEventListener('online', () => chat.dataset.state === 'waiting' && socket.connect());

function find(...ids) {
  return ids.map((id) => document.getElementById(id));
}

const known = sessionStorage.getItem('name');
if (known) join(known);
else nameBox.focus();
