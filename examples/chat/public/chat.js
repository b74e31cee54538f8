const [login, say] = [document.querySelector('#login'), document.querySelector('#say')];
const [log, state] = [document.querySelector('[role=log]'), document.querySelector('[role=status]')];
let socket;

const post = (path, body = {}) =>
  fetch(path, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });

function show(text) {
  const line = document.createElement('p');
  line.textContent = text;
  log.append(line);
}

const EVENTS = {
  welcome: ({ name }) => show(`You are ${name}`),
  joined: ({ name }) => show(`${name} joined`),
  left: ({ name }) => show(`${name} left`),
  said: ({ from, text }) => show(`${from}: ${text}`),
  whispered: ({ from, text }) => show(`${from} whispers: ${text}`),
  delivered: ({ to }) => show(`Whispered to ${to}`),
  announcement: ({ text }) => show(`Announcement: ${text}`),
  exception: ({ message }) => show(`Not sent: ${message}`),
};

function connect() {
  socket = new WebSocket(`${location.protocol.replace('http', 'ws')}//${location.host}/ws`);
  socket.onopen = () => (state.textContent = 'Connected');
  socket.onmessage = ({ data }) => {
    const { event, data: news } = JSON.parse(data);
    EVENTS[event]?.(news);
    if (news.people) document.querySelector('#people').textContent = `Here: ${news.people.join(', ')}`;
  };
  socket.onclose = ({ code, reason }) => {
    state.textContent = `Closed with ${code} ${reason}`;
    // 4500 and above mean: stay away (docs/errors.md)
    if (code < 4500) setTimeout(connect, 500 + Math.random() * 1000);
    else showForm(login);
  };
}

function showForm(form) {
  for (const each of [login, say]) each.hidden = each !== form;
}

login.onsubmit = async (event) => {
  event.preventDefault();
  const { ok } = await post('/login', { name: login.elements.name.value });
  if (!ok) return (state.textContent = 'A name has 2 to 40 characters');
  showForm(say);
  connect();
};

say.onsubmit = (event) => {
  event.preventDefault();
  const { text } = say.elements;
  // "/to Bob psst" is a whisper, any other text is for everyone
  const [, to, words] = /^\/to (\S+) (.+)$/.exec(text.value) ?? [];
  socket.send(to ? JSON.stringify({ event: 'whisper', data: { to, text: words }, id: 1 }) : text.value);
  text.value = '';
};

document.querySelector('#logout').onclick = () => post('/logout');
