/**
 * What bare clients are sent, byte by byte, on every transport and platform: test/fixtures/bare/ has it. A change of
 * these files is a change for everybody who wrote a client by hand.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import type { Connection } from 'nestjs-realtime';
import { BareAnswer, comparable, frameText } from '../support/clients/bare-bytes.js';
import { RawSocket } from '../support/clients/raw-socket.js';
import { bootRoom, renew, type RoomApp, stop } from '../support/apps/transport-app.js';
import { PLATFORMS } from '../support/platforms.js';
import { until } from '../support/process-guard.js';

/** `GOLDEN=write` writes the files anew. */
const isWriting = process.env['GOLDEN'] === 'write';

const ORIGIN = 'http://page.example';

describe.each(PLATFORMS)('the bytes of bare clients on $platform', ({ adapter }) => {
  let site: RoomApp;
  let parts: string[];
  let token = '';
  /** A room with a history, for one test: its positions begin at 1. */
  let room: string;

  const note = (what: string, text: string) => parts.push(`--- ${what}\n${text}\n`);
  const golden = () => {
    const text = comparable(parts.join(''), { token, id: site.room.connections[0]!.id });
    const file = new URL(`../fixtures/bare/${room.slice('chat:'.length)}.txt`, import.meta.url);
    if (isWriting) writeFileSync(file, text);
    expect(text).toBe(readFileSync(file, 'utf8'));
  };

  /** Everything that an application can send, in one turn. */
  const sendsAll = (connection: Connection) => {
    for (const text of ['', 'two\nlines\r\nthree\rfour', 'ünï €', '{"event":"typed","data":1}', 'x'.repeat(300)])
      connection.send(text);
    connection.send(Buffer.from([0, 1, 254, 255]));
    connection.send(Buffer.alloc(0));
    connection.emit('news', { n: 1, text: 'a\nb' });
    connection.emit('nothing');
    connection.emit('open', 'reserved on a stream of events');
    connection.send('end of all');
  };

  /** Pushes of every kind, to rooms with a history and without. */
  const pushesAll = async () => {
    const { server } = site.app;
    const { id } = site.room.connections[0]!;
    await server.to('plain').push('plain text');
    await server.to(room).push('kept text');
    await server.to(room).emit('kept', { n: 2 });
    await server.to(room).except(id).push('not for this one');
    await server.to(room).push('passing', { volatile: true });
    await server.push(id, 'end of pushes');
  };

  const joined = () =>
    until(
      'the joins',
      () => site.room.connections.at(-1)?.rooms.size,
      (size) => size === 2,
    );

  beforeAll(async () => {
    const options = { app: 'golden', allowedOrigins: [ORIGIN], sseRetry: 2, graceTime: 5 };
    const rooms = { 'chat:*': { history: { size: 10, age: 60 } } };
    site = await bootRoom({ ...options, rooms }, {}, { adapter: adapter() });
  });
  const begins = (name: string) => {
    parts = [];
    token = '';
    room = `chat:${name}`;
    site.room.inOpen = (connection: Connection) => {
      connection.send('welcome');
      void connection.join('plain').then(() => connection.join(room));
    };
  };
  afterEach(() => renew(site));
  afterAll(() => stop(site));

  const port = () => Number(new URL(site.url).port);
  const from = (headers: Record<string, string> = {}) => ({ origin: ORIGIN, ...headers });

  const post = (body: string) => {
    const headers = { 'content-type': 'text/plain', 'x-realtime-token': token };
    return BareAnswer.ask(site.url, from(headers), 'POST', body);
  };

  it('are those of today over WebSocket', async () => {
    begins('websocket');
    const client = await RawSocket.upgraded(port(), { headers: { Origin: ORIGIN } });
    const frames = async (what: string, last: string) => {
      const lines: string[] = [];
      while (!lines.at(-1)?.includes(last)) lines.push(frameText(await client.frame()));
      note(what, lines.join('\n'));
    };
    await frames('opened', 'welcome');
    await joined();
    const [connection] = site.room.connections;
    sendsAll(connection!);
    await frames('sent', 'end of all');
    await pushesAll();
    await frames('pushed', 'end of pushes');
    connection!.close(4500, 'as you wish');
    await frames('closed', 'opcode=8');
    golden();
    client.destroy();
  });

  it('are those of today over SSE, also for a stream that comes back', async () => {
    begins('sse');
    const open = (headers: Record<string, string> = {}) =>
      BareAnswer.ask(site.url, from({ accept: 'text/event-stream', ...headers }));
    let stream = await open();
    await stream.has('welcome');
    await joined();
    token = /"token":"([^"]+)"/.exec(stream.body)![1]!;
    const [connection] = site.room.connections;
    sendsAll(connection!);
    await stream.has('end of all');
    await pushesAll();
    await stream.has('end of pushes');
    note('everything', stream.text);
    stream.cut();
    await until('the end of the stream', () => stream.isOver, Boolean);
    const last = /id: (\S+)\ndata: end of pushes/.exec(stream.body)![1]!;
    connection!.send('while away');
    stream = await open({ 'last-event-id': last });
    await stream.has('while away');
    connection!.send('while there');
    await stream.has('while there');
    note('back with its last id', stream.text);
    const again = await open({ 'last-event-id': /id: (\S+)\ndata: plain text/.exec(parts[0]!)![1]! });
    await again.has('while there');
    note('back with an earlier id, while it is there', again.text);
    note('a message', await (await post('hello')).whole());
    await again.has('echo hello');
    connection!.close(4500, 'as you wish');
    note('its echo and the end', (await again.whole()).split('data: while there\n\n').at(-1)!);
    const missed = await open({ 'last-event-id': last });
    note('back without having had the end', await missed.whole());
    const had = /id: (\S+)\nevent: close/.exec(missed.body)![1]!;
    note('back after the end', await (await open({ 'last-event-id': had })).whole());
    note('a message after the end', await (await post('late')).whole());
    golden();
  });

  it('are those of today over SSE for a stream whose id nobody knows', async () => {
    begins('sse-unknown');
    const unknown = `${'A'.repeat(44)}.7;AAAAAAAA=1.aaaaaa;+`;
    const headers = from({ accept: 'text/event-stream', 'last-event-id': unknown });
    const stream = await BareAnswer.ask(site.url, headers);
    await stream.has('rt:gap');
    token = /"token":"([^"]+)"/.exec(stream.body)![1]!;
    await pushesAll();
    await stream.has('end of pushes');
    note('everything', stream.text);
    golden();
    stream.cut();
  });

  it('are those of today over polling, also for a poll that is repeated', async () => {
    begins('polling');
    const poll = (position: number) =>
      BareAnswer.ask(
        `${site.url}?transport=polling&position=${position}`,
        from(token === '' ? {} : { 'x-realtime-token': token }),
      );
    /** Notes an answer. @returns its position */
    const polled = async (what: string, position: number) => {
      const answer = await poll(position);
      note(what, await answer.whole());
      token ||= /"token":"([^"]+)"/.exec(answer.body)![1]!;
      return Number(/"position":(\d+)/.exec(answer.body)?.[1]);
    };
    const start = await polled('opened', 0);
    await joined();
    const [connection] = site.room.connections;
    sendsAll(connection!);
    const sent = await polled('sent', start);
    await pushesAll();
    const pushed = await polled('pushed, and nothing of the last answer acknowledged', start);
    await polled('all but the last two acknowledged', pushed - 2);
    await polled('behind what was acknowledged', sent);
    const both = [poll(pushed), poll(pushed)];
    const older = await Promise.race(both);
    note('the older of two polls at once', await older.whole());
    connection!.send('for one of two polls');
    const newer = (await Promise.all(both)).find((each) => each !== older)!;
    note('the newer one', await newer.whole());
    note('a message', await (await post('hello')).whole());
    const heard = await polled('its echo', pushed + 1);
    connection!.close(4500, 'as you wish');
    await polled('the end', heard - 1);
    await polled('the end again', heard);
    note('a message after the end', await (await post('late')).whole());
    golden();
  });
});
