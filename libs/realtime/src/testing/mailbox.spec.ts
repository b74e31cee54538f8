import { anyMessage, envelopeOf, Mailbox, replyTo } from './mailbox.js';

/** So short that nothing that is waited for could still come. */
const TIMEOUT_MS = 5;

let mailbox: Mailbox;
beforeEach(() => (mailbox = new Mailbox(TIMEOUT_MS)));

describe('a wait for a message', () => {
  it('takes the messages in order, those of an event before their turn', async () => {
    for (const text of ['one', '{"event":"news","data":7}', 'two']) mailbox.received(text);
    expect(await mailbox.next(envelopeOf('news'))).toBe(7);
    expect(await mailbox.next(anyMessage)).toBe('one');
    expect(await mailbox.next(anyMessage)).toBe('two');
  });

  it('is given to the call that came first', async () => {
    const both = Promise.all([mailbox.next(anyMessage), mailbox.next(anyMessage)]);
    mailbox.received('one');
    mailbox.received('two');
    expect(await both).toEqual(['one', 'two']);
  });

  it('ends at its deadline with an error that says what came instead', async () => {
    mailbox.received('one');
    mailbox.received(Buffer.from([1, 2]));
    mailbox.received('x'.repeat(500));
    await expect(mailbox.next(envelopeOf('found'))).rejects.toThrow(
      `Waited 5 ms for the event "found". Instead came 3 messages: one, <Buffer 01 02>, ${'x'.repeat(120)}…`,
    );
    expect(await mailbox.next(anyMessage)).toBe('one');
  });

  it('names the last messages only, and says when there was none', async () => {
    await expect(mailbox.next(anyMessage)).rejects.toThrow('Waited 5 ms for a message. Nothing else came');
    for (let count = 1; count <= 7; count++) mailbox.received(`n${count}`);
    await expect(mailbox.next(envelopeOf('found'))).rejects.toThrow('7 messages: … (2 more), n3, n4, n5, n6, n7');
  });

  it('is not given a message that comes after its deadline', async () => {
    await expect(mailbox.next(anyMessage)).rejects.toThrow('Waited');
    mailbox.received('late');
    expect(await mailbox.next(anyMessage)).toBe('late');
  });

  it('ends when the connection ends, and messages that came before can still be read', async () => {
    mailbox.received('one');
    const waiting = mailbox.next(envelopeOf('found'));
    mailbox.finish({ code: 4000, reason: 'bye' });
    const ended = 'The connection has ended (code 4000 "bye") before';
    await expect(waiting).rejects.toThrow(`${ended} the event "found" arrived. Instead came 1 message: one`);
    expect(await mailbox.next(anyMessage)).toBe('one');
    await expect(mailbox.next(anyMessage)).rejects.toThrow(`${ended} a message arrived. Nothing else came`);
  });

  it('rejects once when the server did not take a message', async () => {
    const waiting = mailbox.next(anyMessage);
    mailbox.fail(new Error('413'));
    await expect(waiting).rejects.toThrow('413');
    mailbox.fail(new Error('429'));
    await expect(mailbox.next(anyMessage)).rejects.toThrow('429');
    mailbox.received('one');
    expect(await mailbox.next(anyMessage)).toBe('one');
  });
});

describe('a wait for a reply', () => {
  it('gets the reply of its id, before a call that takes any message', async () => {
    const [anything, seven] = [mailbox.next(anyMessage), mailbox.next(replyTo('find', 7))];
    for (const text of ['{"event":"found","data":"eight","id":8}', '{"event":"found","data":"seven","id":7}']) {
      mailbox.received(text);
    }
    expect(await seven).toBe('seven');
    expect(await anything).toBe('{"event":"found","data":"eight","id":8}');
  });

  it('ends without a value when the server reports its end', async () => {
    const reply = mailbox.next(replyTo('find', 7));
    mailbox.received('{"event":"rt:done","data":{"dropped":0},"id":7}');
    expect(await reply).toBeUndefined();
  });

  it('rejects with the exception of its id, whatever its data', async () => {
    for (const [id, data] of [
      [1, '{"status":"error","message":"no"}'],
      [2, '"odd"'],
      [3, 'null'],
    ] as const) {
      mailbox.received(`{"event":"exception","data":${data},"id":${id}}`);
    }
    await expect(mailbox.next(replyTo('find', 1))).rejects.toMatchObject({
      message: 'The request "find" was rejected: no',
      event: 'find',
      data: { status: 'error', message: 'no' },
    });
    await expect(mailbox.next(replyTo('find', 2))).rejects.toMatchObject({ data: 'odd' });
    await expect(mailbox.next(replyTo('find', 3))).rejects.toThrow('was rejected: null');
  });

  it('is not answered by text, bytes, JSON of another form, or an exception without an id', async () => {
    const others = ['text', Buffer.from('{"event":"a","id":7}'), '[]', '{"id":7}', '{"event":"exception","data":{}}'];
    for (const other of others) mailbox.received(other);
    await expect(mailbox.next(replyTo('find', 7))).rejects.toThrow('for the reply to "find" (id 7). Instead came 5');
  });
});
