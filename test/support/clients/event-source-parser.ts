/** The parser of an EventSource, strictly by WHATWG HTML §9.2.6; text may come in pieces. */
export interface SourceEvent {
  readonly type: string;
  readonly data: string;
  readonly lastEventId: string;
}

export class EventSourceParser {
  /** The last `retry`, in milliseconds. */
  retry?: number;
  lastEventId = '';
  comments = 0;
  private text = '';
  private isStarted = false;
  private data: string[] = [];
  private type = '';
  private id = '';

  constructor(private readonly dispatched: (event: SourceEvent) => void) {}

  push(text: string): void {
    this.text += text;
    if (!this.isStarted && this.text !== '') {
      this.isStarted = true;
      this.text = this.text.replace(/^\uFEFF/, '');
    }
    // A CR at the end may be half of a CRLF, so it is kept for the next piece
    for (let found = /\r\n|\n|\r(?!$)/.exec(this.text); found; found = /\r\n|\n|\r(?!$)/.exec(this.text)) {
      const line = this.text.slice(0, found.index);
      this.text = this.text.slice(found.index + found[0].length);
      this.line(line);
    }
  }

  private line(line: string): void {
    if (line === '') return this.dispatch();
    const mark = line.indexOf(':');
    if (mark === 0) this.comments++;
    else if (mark < 0) this.field(line, '');
    else this.field(line.slice(0, mark), line.slice(mark + 1).replace(/^ /, ''));
  }

  private field(name: string, value: string): void {
    if (name === 'event') this.type = value;
    else if (name === 'data') this.data.push(value);
    else if (name === 'id' && !value.includes('\0')) this.id = value;
    else if (name === 'retry' && /^\d+$/.test(value)) this.retry = Number(value);
  }

  private dispatch(): void {
    this.lastEventId = this.id;
    const { data, type, lastEventId } = this;
    this.data = [];
    this.type = '';
    if (data.length > 0) this.dispatched({ type: type || 'message', data: data.join('\n'), lastEventId });
  }
}
