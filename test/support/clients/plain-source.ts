/** What an EventSource of a browser does: it parses by the standard, and comes back with its last id, to any address. */
import { type ClientRequest, request, type IncomingMessage } from 'node:http';
import { until } from '../process-guard.js';
import { EventSourceParser, type SourceEvent } from './event-source-parser.js';

export class PlainSource {
  /** All events of all of its connections. */
  readonly events: SourceEvent[] = [];
  private parser = new EventSourceParser((event) => this.events.push(event));
  private current?: ClientRequest;

  get lastEventId(): string {
    return this.parser.lastEventId;
  }

  /** The data of the events of one type; `message`: those that `onmessage` sees. */
  of(type: string): string[] {
    return this.events.filter((event) => event.type === type).map(({ data }) => data);
  }

  /** Opens a stream, with the last id if it has one. @returns the status */
  async open(url: string): Promise<number> {
    const { lastEventId } = this;
    const resume: Record<string, string> = lastEventId === '' ? {} : { 'last-event-id': lastEventId };
    const headers = { accept: 'text/event-stream', ...resume };
    const response = await new Promise<IncomingMessage>((resolve, reject) => {
      this.current = request(url, { headers }, resolve).on('error', reject).end();
    });
    this.current!.on('error', () => {});
    response.on('error', () => {}).setEncoding('utf8');
    this.parser = new EventSourceParser((event) => this.events.push(event));
    this.parser.lastEventId = lastEventId;
    response.on('data', (text: string) => this.parser.push(text));
    return response.statusCode!;
  }

  cut(): void {
    this.current?.destroy();
  }

  async until(what: string, test: () => boolean): Promise<void> {
    await until(
      what,
      () => (test() ? 'done' : JSON.stringify(this.events.slice(-4))),
      (state) => state === 'done',
    );
  }
}
