/** The inputs of the fuzzer, and the checks after each batch. Plain JavaScript, because script and test share it. */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';
import { clearTimeout } from 'node:timers';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';

const FIXTURE = fileURLToPath(new URL('../fixtures/hostile-app.mjs', import.meta.url));
const KEY = 'AAAAAAAAAAAAAAAAAAAAAA==';
const request = (target, lines = []) =>
  `GET ${target} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n` +
  `Sec-WebSocket-Key: ${KEY}\r\n${lines.map((line) => `${line}\r\n`).join('')}\r\n`;

/** Switches off the bounds that would refuse the fuzzer itself. */
const SETTINGS = {
  REALTIME_MAX_CONNECTION_RATE: '0',
  REALTIME_MAX_CONNECTION_RATE_PER_ADDRESS: '0',
  REALTIME_MAX_FAILED_HANDSHAKES: '0',
  REALTIME_MAX_MESSAGE_RATE: '0',
  REALTIME_MAX_MESSAGE_BYTES: '100000',
  REALTIME_MAX_CONTROL_RATE: '0',
  REALTIME_HEARTBEAT_PING_INTERVAL: '0',
  REALTIME_HEARTBEAT_IDLE_TIME: '0',
  REALTIME_CLOSE_TIMEOUT: '0.2',
  REALTIME_COMPRESSION: 'on',
  NODE_ENV: 'production',
};

/** The application under attack, and the check that nothing of the attack is left. */
export class FuzzTarget {
  output = '';
  asked = 0;

  static async start() {
    const target = new FuzzTarget();
    const env = { ...process.env, ...SETTINGS, NODE_OPTIONS: '', NO_COLOR: '1' };
    const child = fork(FIXTURE, { stdio: ['ignore', 'pipe', 'pipe', 'ipc'], execArgv: ['--expose-gc'], env });
    target.child = child;
    // The last lines show why it died
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (chunk) => (target.output = (target.output + chunk).slice(-20_000)));
    }
    const [{ port }] = await Promise.race([once(child, 'message'), target.death()]);
    target.port = port;
    return target;
  }

  async death() {
    await once(this.child, 'close');
    throw new Error(`The application has died:\n${this.output.slice(-4000)}`);
  }

  /** Sends bytes on a connection of their own, and reads until it ends, `last` has come, or `waitMs` is over. */
  async send(bytes, { waitMs = 1000, isReset = false, last } = {}) {
    if (this.child.exitCode !== null || this.child.signalCode !== null) {
      throw new Error(`The application has died:\n${this.output.slice(-4000)}`);
    }
    const socket = connect(this.port, '127.0.0.1');
    const chunks = [];
    socket.on('data', (chunk) => {
      chunks.push(chunk);
      if (last && chunk.includes(last)) socket.destroy();
    });
    socket.on('error', () => {});
    const closed = once(socket, 'close');
    socket.write(bytes);
    if (isReset) socket.resetAndDestroy();
    else if (!last) socket.end();
    const timer = setTimeout(() => socket.destroy(), waitMs);
    await closed;
    clearTimeout(timer);
    return Buffer.concat(chunks);
  }

  async state() {
    const id = ++this.asked;
    const answer = (async () => {
      for (;;) {
        const [message] = await once(this.child, 'message');
        if (message.id === id) return message.result;
      }
    })();
    this.child.send({ id, order: 'collect' });
    return Promise.race([
      answer,
      sleep(20_000, undefined, { ref: false }).then(() => Promise.reject(new Error('The application does not answer'))),
    ]);
  }

  /** Waits until every connection has gone. @returns how many were accepted, and the memory of the process */
  async expectCalm() {
    for (let looks = 0; ; looks++) {
      const { connections, stats, hooks, memory } = await this.state();
      const ended = Object.values(stats.closed).reduce((sum, count) => sum + count);
      if (connections === 0 && stats.current === 0 && stats.unfinished === 0 && hooks.opens === hooks.closes) {
        if (ended !== stats.accepted) throw new Error(`accepted ${stats.accepted}, closed ${ended}`);
        if (stats.rooms + stats.users > 0) throw new Error('Rooms or users are left');
        return {
          accepted: stats.accepted,
          heapMb: Math.round(memory.heapUsed / 1e6),
          rssMb: Math.round(memory.rss / 1e6),
        };
      }
      if (looks > 300) throw new Error(`There is something left: ${JSON.stringify({ connections, stats, hooks })}`);
      await sleep(20);
    }
  }

  async stop() {
    this.child.kill('SIGKILL');
    await once(this.child, 'close').catch(() => {});
  }
}

const bytes = (max) => fc.uint8Array({ maxLength: max }).map((list) => Buffer.from(list));

/** A frame that may break any rule of RFC 6455 §5.2. */
const frame = fc
  .record({
    first: fc.oneof(fc.constantFrom(0x81, 0x82, 0x01, 0x02, 0x80, 0x00, 0x88, 0x89, 0x8a, 0xc1, 0xc2), fc.nat(255)),
    isMasked: fc.oneof({ weight: 9, arbitrary: fc.constant(true) }, { weight: 1, arbitrary: fc.boolean() }),
    payload: fc.oneof(
      bytes(130),
      bytes(130),
      fc.string().map((text) => Buffer.from(text)),
      fc.nat(70_000).map((n) => Buffer.alloc(n)),
    ),
    lie: fc.option(fc.oneof(fc.nat(125), fc.nat(70_000), fc.bigInt({ min: 0n, max: 2n ** 64n - 1n })), { freq: 8 }),
  })
  .map(({ first, isMasked, payload, lie }) => {
    const length = BigInt(lie ?? payload.length);
    const mask = isMasked ? 0x80 : 0;
    let head;
    if (length < 126n) head = Buffer.from([first, mask | Number(length)]);
    else if (length < 65_536n) {
      head = Buffer.from([first, mask | 126, 0, 0]);
      head.writeUInt16BE(Number(length), 2);
    } else {
      head = Buffer.alloc(10);
      head[0] = first;
      head[1] = mask | 127;
      head.writeBigUInt64BE(length, 2);
    }
    // A mask of zeros leaves the payload as it is
    return Buffer.concat([head, Buffer.alloc(isMasked ? 4 : 0), payload]);
  });

const text = (payload) => {
  const body = Buffer.from(payload);
  const head =
    body.length < 126
      ? Buffer.from([0x81, 0x80 | body.length])
      : Buffer.from([0x81, 0xfe, body.length >> 8, body.length & 255]);
  return Buffer.concat([head, Buffer.alloc(4), body.subarray(0, 65_535)]);
};

/** @throws Error when an answer is not an HTTP answer, or has a status of 500 or more */
function checkAnswer(answer, what) {
  const status = /^HTTP\/1\.1 (\d{3}) /.exec(answer.toString('latin1', 0, 20))?.[1];
  if (status === undefined ? answer.length > 0 : Number(status) >= 500) {
    throw new Error(`${what()} was answered with ${JSON.stringify(answer.toString('latin1', 0, 300))}`);
  }
}

/** Whatever the first frames are, the application answers the handshake, lives, and forgets the connection. */
export const FRAMES = {
  batch: 20,
  arbitrary: fc.record({
    frames: fc.array(frame, { maxLength: 12 }),
    isCompressed: fc.boolean(),
    isReset: fc.oneof({ weight: 9, arbitrary: fc.constant(false) }, { weight: 1, arbitrary: fc.constant(true) }),
    path: fc.constantFrom('/ws', '/events', '/ask', '/newest'),
  }),
  async attack(target, cases) {
    const one = async ({ frames, isCompressed, isReset, path }) => {
      const extension = isCompressed ? ['Sec-WebSocket-Extensions: permessage-deflate'] : [];
      const answer = await target.send(Buffer.concat([Buffer.from(request(path, extension)), ...frames]), { isReset });
      if (!isReset) checkAnswer(answer, () => JSON.stringify(frames.map((bytes) => bytes.toString('hex', 0, 40))));
    };
    await Promise.all(cases.map(one));
  },
};

const names = fc.constantFrom('event', 'data', 'id', '__proto__', 'constructor', 'toString', 'then', 'toJSON');
const event = fc.constantFrom('echo', 'error', '__proto__', 'constructor', 'disconnect', '', 'x'.repeat(300));
const envelope = fc.oneof(
  fc.json({ maxDepth: 4 }),
  fc
    .record({ event: fc.oneof(event, fc.jsonValue()), data: fc.jsonValue(), id: fc.jsonValue() }, { requiredKeys: [] })
    .map((one) => JSON.stringify(one)),
  fc.dictionary(names, fc.jsonValue()).map((one) => JSON.stringify(one)),
  fc.nat(20_000).map((depth) => '['.repeat(depth)),
  fc.nat(1000).map((depth) => `{"event":"echo","data":${'['.repeat(depth)}${']'.repeat(depth)}}`),
  fc.string(),
);

/** Whatever the text of a message is, the client gets an error frame or a reply, and the next message works. */
export const ENVELOPES = {
  batch: 50,
  arbitrary: envelope,
  async attack(target, cases) {
    const last = 'the last one';
    const end = text(JSON.stringify({ event: 'echo', data: last }));
    const sent = Buffer.concat([Buffer.from(request('/events')), ...cases.map(text), end]);
    const answer = await target.send(sent, { waitMs: 10_000, last });
    checkAnswer(answer, () => JSON.stringify(cases));
    if (!answer.includes(last)) {
      throw new Error(`There is no answer to the last message after ${JSON.stringify(cases).slice(0, 2000)}`);
    }
    if (answer.includes('"internal"')) throw new Error(`The server failed at ${JSON.stringify(cases).slice(0, 2000)}`);
  },
};

const ascii = fc.string({
  unit: fc.integer({ min: 0x20, max: 0x7e }).map((code) => String.fromCharCode(code)),
  maxLength: 60,
});
const headerName = fc.constantFrom(
  ...[
    'Host',
    'Origin',
    'Cookie',
    'Authorization',
    'Sec-WebSocket-Key',
    'Sec-WebSocket-Version',
    'Sec-WebSocket-Protocol',
  ],
  ...[
    'Sec-WebSocket-Extensions',
    'Upgrade',
    'Connection',
    'Content-Length',
    'Transfer-Encoding',
    'X-Forwarded-For',
    'Expect',
  ],
);
const upgrade = fc.oneof(
  // A valid request with one header added or replaced
  fc
    .record({ name: headerName, value: ascii })
    .map(({ name, value }) => Buffer.from(request('/ws', [`${name}: ${value}`]))),
  ascii.map((target) => Buffer.from(request(`/ws?${encodeURI(target)}`))),
  ascii.map((target) => Buffer.from(request(target.replaceAll(' ', '') || '/'))),
  fc
    .tuple(headerName, ascii)
    .map(([name, value]) => Buffer.from(request('/ws').replace(new RegExp(`^${name}: .*$`, 'm'), `${name}: ${value}`))),
  fc.tuple(fc.nat(200), bytes(20)).map(([at, noise]) => {
    const good = Buffer.from(request('/ws'));
    return Buffer.concat([good.subarray(0, at), noise, good.subarray(at)]);
  }),
  fc.nat(200).map((end) => Buffer.from(request('/ws')).subarray(0, end)),
  bytes(300),
);

/** Whatever the request is, the application answers it as HTTP or cuts it; it never answers with a 5xx. */
export const UPGRADES = {
  batch: 20,
  arbitrary: fc.record({
    request: upgrade,
    isReset: fc.oneof({ weight: 9, arbitrary: fc.constant(false) }, { weight: 1, arbitrary: fc.constant(true) }),
  }),
  async attack(target, cases) {
    await Promise.all(
      cases.map(async ({ request: sent, isReset }) => {
        const answer = await target.send(sent, { isReset });
        if (!isReset) checkAnswer(answer, () => JSON.stringify(sent.toString('latin1')));
      }),
    );
  },
};
