const [login, invoice] = [document.querySelector('#login'), document.querySelector('#invoice')];
const [log, state] = [document.querySelector('[role=log]'), document.querySelector('[role=status]')];
let token;

const post = (path, body = {}) =>
  fetch(path, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...(token && { authorization: `Bearer ${token}` }) },
    body: JSON.stringify(body),
  });

function show(text) {
  const line = document.createElement('p');
  line.textContent = text;
  log.append(line);
}

function showForm(form) {
  for (const each of [login, invoice]) each.hidden = each !== form;
}

/** A browser cannot set headers on a WebSocket: the token goes into the list of subprotocols. */
function bearer() {
  return `bearer.${btoa(token).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '')}`;
}

function connect() {
  const url = `${location.protocol.replace('http', 'ws')}//${location.host}/notifications`;
  const socket = new WebSocket(url, ['notifications', bearer()]);
  const answer = (event, data) => socket.send(JSON.stringify({ event, data, id: 1 }));
  socket.onopen = () => (state.textContent = `Connected, speaking ${socket.protocol}`);
  socket.onmessage = ({ data }) => {
    const { event, data: news } = JSON.parse(data);
    if (event === 'hello') show(`${news.user} of ${news.tenant}`);
    if (event === 'read') show(`Read: ${news.count}`);
    if (event !== 'invoice.created') return;
    show(`Invoice ${news.id} over ${news.total} by ${news.by}`);
    answer('read', news.id);
  };
  socket.onclose = ({ code, reason }) => {
    state.textContent = `Closed with ${code} ${reason}`;
    // 4502 means that the token has expired, and every code of 4500 and above that only a login helps
    if (code < 4500) setTimeout(connect, 500 + Math.random() * 1000);
    else showForm(login);
  };
}

login.onsubmit = async (event) => {
  event.preventDefault();
  const { name, password } = login.elements;
  const answer = await post('/login', { name: name.value, password: password.value });
  if (!answer.ok) return (state.textContent = 'Wrong name or password');
  ({ token } = await answer.json());
  showForm(invoice);
  connect();
};

invoice.onsubmit = async (event) => {
  event.preventDefault();
  await post('/invoices', { total: invoice.elements.total.valueAsNumber });
};

document.querySelector('#logout').onclick = () => post('/logout');
