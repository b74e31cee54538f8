import { fc } from '../../../../test/support/properties.js';
import { Inbox } from './inbox.js';
import { Message } from '../message.js';

const message = (size: number) => new Message(Buffer.alloc(size), false);

describe('an inbox', () => {
  it('returns messages in the order in which they were added, then nothing', () => {
    const inbox = new Inbox(10, 100);
    const all = [message(0), message(1), message(2)];
    for (const one of all) inbox.push(one);
    expect([inbox.shift(), inbox.shift(), inbox.shift(), inbox.shift()]).toEqual([...all, undefined]);
    expect(inbox.length).toBe(0);
  });

  it('reports that it is full at the limit of messages', () => {
    const inbox = new Inbox(2, 100);
    inbox.push(message(0));
    expect(inbox.isFull).toBe(false);
    inbox.push(message(0));
    expect(inbox.isFull).toBe(true);
  });

  it('reports that it is full at the limit of bytes', () => {
    const inbox = new Inbox(10, 100);
    inbox.push(message(99));
    expect(inbox.isFull).toBe(false);
    inbox.push(message(1));
    expect(inbox.isFull).toBe(true);
  });

  it('counts the network read that its messages lie in, once and as a whole', () => {
    const inbox = new Inbox(100, 1000);
    const read = Buffer.alloc(900);
    inbox.push(new Message(read.subarray(0, 10), false));
    inbox.push(new Message(read.subarray(10, 20), false));
    expect(inbox.isFull).toBe(false);
    inbox.push(message(100));
    expect(inbox.isFull).toBe(true);
    inbox.shift();
    inbox.shift();
    expect(inbox.isFull).toBe(true);
    inbox.push(message(1));
    inbox.shift();
    expect([inbox.isFull, inbox.isLow]).toEqual([false, true]);
  });

  it('makes no Buffer of a message that lies in memory with others', () => {
    const inbox = new Inbox(10, 100);
    const memory = Buffer.alloc(100);
    const waiting = new Message(memory, false, 10, 20);
    inbox.push(waiting);
    inbox.shift();
    expect(waiting.data).toBe(memory);
    expect([waiting.start, waiting.end]).toEqual([10, 20]);
  });

  it('accepts messages above the limit, because they have been read already', () => {
    const inbox = new Inbox(1, 1);
    for (let count = 0; count < 3; count++) inbox.push(message(5));
    expect(inbox.length).toBe(3);
  });

  it('reports that it is low when half of the messages and half of the bytes are gone', () => {
    const inbox = new Inbox(4, 100);
    for (const size of [10, 10, 10, 70]) inbox.push(message(size));
    inbox.shift();
    inbox.shift();
    expect([inbox.length, inbox.isLow]).toEqual([2, false]);
    inbox.shift();
    expect([inbox.length, inbox.isLow]).toEqual([1, false]);
    inbox.shift();
    expect(inbox.isLow).toBe(true);
  });

  it('reports that it is empty and low after clear()', () => {
    const inbox = new Inbox(2, 100);
    inbox.push(message(60));
    inbox.push(message(60));
    inbox.clear();
    expect([inbox.length, inbox.isFull, inbox.isLow, inbox.shift()]).toEqual([0, false, true, undefined]);
  });

  it('behaves as a queue in any sequence of calls', () => {
    const steps = fc.array(
      fc.oneof({ weight: 5, arbitrary: fc.constantFrom(0, 0, 0, 1, 9) }, fc.constantFrom('shift', 'drain', 'clear')),
      {
        maxLength: 800,
        size: 'max',
      },
    );
    const run = (all: (number | string)[]) => {
      const inbox = new Inbox(100, 300);
      let model: Message[] = [];
      // The memory of the message that was taken last counts until the next one is taken, or none waits
      let taken = 0;
      const shift = () => {
        const message = model.shift();
        expect(inbox.shift()).toBe(message);
        taken = model.length > 0 ? message!.size : 0;
      };
      for (const step of all) {
        if (typeof step === 'number') {
          model.push(message(step));
          inbox.push(model.at(-1)!);
        } else if (step === 'shift') shift();
        else if (step === 'drain') for (let count = model.length / 2; count > 0; count--) shift();
        else {
          inbox.clear();
          model = [];
          taken = 0;
        }
        const bytes = model.reduce((sum, { size }) => sum + size, taken);
        expect([inbox.length, inbox.isFull, inbox.isLow]).toEqual([
          model.length,
          model.length >= 100 || bytes >= 300,
          model.length <= 50 && bytes <= 150,
        ]);
      }
    };
    fc.assert(fc.property(steps, run), { numRuns: 20 });
  });

  it('keeps its order when it drops its used part after a thousand messages', () => {
    const inbox = new Inbox(10_000, 100_000);
    const all = Array.from({ length: 5000 }, (_, index) => message(index % 3));
    for (const one of all) inbox.push(one);
    const given = all.map((_, index) => {
      if (index === 2000) inbox.push(message(7));
      return inbox.shift();
    });
    expect(given).toEqual(all);
    expect(inbox.shift()).toMatchObject({ size: 7 });
  });
});
