/** Draws the conversation. Everything that people write is set as text, never as HTML. */
const MOST_LINES = 500;
const GROUPED_MS = 5 * 60_000;
const NEAR_END_PX = 80;

const log = document.getElementById('log');
const clock = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit' });
let last = {};
let isAtEnd = true;

log.addEventListener('scroll', () => {
  isAtEnd = log.scrollHeight - log.scrollTop - log.clientHeight < NEAR_END_PX;
});
new window.ResizeObserver(() => isAtEnd && scrollToEnd()).observe(log);

/** Adds a message: `from` is the id of the sender, `name` their name, `tag` the receiver if it is not for everyone. */
export function addMessage({ from, name, text, tag = '', isOwn = false, isServer = false }) {
  const line = element('li', 'message');
  line.classList.toggle('own', isOwn);
  line.classList.toggle('server', isServer);
  line.classList.toggle('private', tag !== '');
  line.classList.toggle('follows', follows({ from, tag, at: Date.now() }));
  const who = element('p', 'who');
  who.append(element('bdi', 'name', isOwn ? 'You' : name));
  if (tag !== '') who.append(element('span', 'tag', tag));
  who.append(element('time', '', clock.format()));
  const bubble = element('div', 'bubble');
  bubble.append(who, element('p', 'words', text));
  line.append(avatar(isServer ? '↯' : name), bubble);
  addLine(line, isOwn);
}

/** Adds a note: a person joined or left, or the connection changed. */
export function addNote(...parts) {
  last = {};
  const line = element('li', 'note');
  line.append(...parts);
  addLine(line, false);
}

/** Returns a name for use within a sentence; right-to-left letters in it do not reorder the sentence. */
export function nameTag(name) {
  return element('bdi', '', name);
}

/** Returns a round picture with the first letter of a name, in a colour of its own. */
export function avatar(name) {
  const picture = element('span', 'avatar', ([...name.trim()][0] ?? '?').toUpperCase());
  picture.ariaHidden = 'true';
  const hue = [...name].reduce((sum, letter) => (sum * 31 + letter.codePointAt(0)) % 360, 7);
  picture.style.setProperty('--hue', hue);
  return picture;
}

/** Makes an element. Its text is set as text, never as HTML. */
export function element(tag, className = '', text = '') {
  return Object.assign(document.createElement(tag), { className, textContent: text });
}

/** Returns whether a message follows one that the same person sent just before to the same people. */
function follows(said) {
  const { from, tag, at } = last;
  last = said;
  return said.from === from && said.tag === tag && said.at - at < GROUPED_MS;
}

function addLine(line, isOwn) {
  const follow = isAtEnd || isOwn;
  log.append(line);
  if (log.children.length > MOST_LINES) log.firstElementChild.remove();
  if (follow) scrollToEnd();
}

function scrollToEnd() {
  log.scrollTop = log.scrollHeight;
}
