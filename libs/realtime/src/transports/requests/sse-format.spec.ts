import { fc } from '../../../../../test/support/properties.js';
import { encodeEnvelope } from 'nestjs-realtime-protocol';
import { EventSourceParser, type SourceEvent } from '../../../../../test/support/clients/event-source-parser.js';
import { Frame } from '../../frame.js';
import { COMMENT, controlBlock, messageBlock, messageBody } from './sse-format.js';

/** Parses a stream as an EventSource would, in pieces of `at` characters. */
function parse(text: string, at = 1): { events: SourceEvent[]; parser: EventSourceParser } {
  const events: SourceEvent[] = [];
  const parser = new EventSourceParser((event) => events.push(event));
  for (let i = 0; i < text.length; i += at) parser.push(text.slice(i, i + at));
  return { events, parser };
}

const chunk = fc.integer({ min: 1, max: 20 });
const normal = (text: string) => text.replace(/\r\n?/g, '\n');

describe('messageBlock', () => {
  it('carries any text, with line ends as \\n, however the stream is cut into pieces', () => {
    const text = fc.string({
      unit: fc.constantFrom('a', ' ', ':', '\n', '\r', '\0', 'ü', '🎉', 'data: ', 'id: x', '\uFEFF'),
    });
    fc.assert(
      fc.property(text, chunk, (data, at) => {
        const { events } = parse(messageBlock('t.7', messageBody(new Frame(data))), at);
        expect(events).toEqual([{ type: 'message', data: normal(data), lastEventId: 't.7' }]);
      }),
    );
  });

  it('carries any bytes as base64 under their own event name', () => {
    fc.assert(
      fc.property(fc.uint8Array(), chunk, (bytes, at) => {
        const [event, ...more] = parse(messageBlock('t.1', messageBody(new Frame(Buffer.from(bytes)))), at).events;
        expect(more).toEqual([]);
        expect(event!.type).toBe('binary');
        expect(Buffer.from(event!.data, 'base64')).toEqual(Buffer.from(bytes));
      }),
    );
  });

  it('carries an emitted event under its name, unless the name could end a line or imitate the protocol', () => {
    const name = fc.string({ unit: fc.constantFrom('a', ':', ' ', '\n', '\r', 'close', 'open', 'data: ') });
    fc.assert(
      fc.property(name, fc.jsonValue(), chunk, (event, data, at) => {
        const text = encodeEnvelope(event, data);
        const { events } = parse(messageBlock('t.2', messageBody(new Frame(text, undefined, true))), at);
        expect(events).toHaveLength(1);
        const { type, data: got } = events[0]!;
        expect(['open', 'close', 'binary', 'error']).not.toContain(type);
        const envelope: unknown = type === 'message' ? JSON.parse(got) : { event: type, data: JSON.parse(got) };
        expect(envelope).toEqual(JSON.parse(text));
      }),
    );
  });

  it.each(['open', 'close', 'binary', 'error', 'message'])('sends an event named %s as its envelope', (event) => {
    const { events } = parse(messageBlock('t.1', messageBody(new Frame(encodeEnvelope(event, 1), undefined, true))));
    expect(events).toEqual([{ type: 'message', data: `{"event":"${event}","data":1}`, lastEventId: 't.1' }]);
  });

  it('sends text that only looks like an envelope as text', () => {
    const { events } = parse(messageBlock('t.1', messageBody(new Frame('{"event":"named","data":1}'))));
    expect(events).toMatchObject([{ type: 'message', data: '{"event":"named","data":1}' }]);
  });

  it('encodes a frame once, and gives each connection its own id', () => {
    let reads = 0;
    const frame = new Proxy(new Frame('text'), {
      get: (target, name) => {
        if (name === 'data') reads++;
        return Reflect.get(target, name) as unknown;
      },
    });
    expect(messageBlock('a.1', messageBody(frame))).toBe('id: a.1\ndata: text\n\n');
    const before = reads;
    expect(messageBlock('b.2', messageBody(frame))).toBe('id: b.2\ndata: text\n\n');
    expect(reads).toBe(before);
  });
});

describe('a stream of blocks', () => {
  it('carries every message once and in order, with comments and control events between', () => {
    const texts = fc.array(fc.string({ unit: fc.constantFrom('x', '\n', ':', '\r\n') }), { maxLength: 20 });
    fc.assert(
      fc.property(texts, chunk, (all, at) => {
        const blocks = all.map((text, i) => messageBlock(`t.${i + 1}`, messageBody(new Frame(text))) + COMMENT);
        const close = controlBlock(`t.${all.length + 1}`, 'close', {});
        const stream = `retry: 2000\n${controlBlock('t.0', 'open', {})}${blocks.join('')}${close}`;
        const { events, parser } = parse(stream, at);
        expect(events.map(({ type }) => type)).toEqual(['open', ...all.map(() => 'message'), 'close']);
        expect(events.slice(1, -1).map(({ data }) => data)).toEqual(all.map(normal));
        expect(parser.retry).toBe(2000);
        expect(parser.comments).toBe(all.length);
        expect(parser.lastEventId).toBe(`t.${all.length + 1}`);
      }),
    );
  });
});
