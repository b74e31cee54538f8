/** Road OUT, step 10: the client's response to a request that another node answers. */
import type { Writable } from 'node:stream';
import type { ServedResponse } from '../../relay.js';
import type { RequestTransport } from './request-transport.js';
import type { CarryingAnswer } from './watched-answer.js';

export class ServedAnswer implements ServedResponse {
  private stream?: Writable;

  /** @param unseal decrypts the parts in their order */
  constructor(
    private readonly answer: CarryingAnswer,
    private readonly transport: RequestTransport,
    private readonly unseal: (bytes: Buffer) => Buffer,
  ) {}

  begin(headers: Readonly<Record<string, string>>): void {
    for (const [name, value] of Object.entries(headers)) this.answer.header(name, value);
    this.stream = this.answer.stream();
    this.stream.on('error', () => {});
  }

  write(bytes: Buffer, taken: () => void): void {
    this.stream?.write(this.unseal(bytes), (error) => {
      if (!error) taken();
    });
  }

  end(): void {
    this.stream?.end();
  }

  /** A client that has had nothing yet is asked to come again; one that waits in the middle finds its response cut. */
  cut(): void {
    if (this.stream) this.answer.cut();
    else postpone(this.answer, this.transport);
  }

  onClose(listener: () => void): void {
    this.answer.onClose(listener);
  }
}

/** Asks a client to come again, because its connection cannot be reached for the moment. */
export function postpone(answer: CarryingAnswer, transport: RequestTransport): void {
  if (transport.postpone) return transport.postpone(answer);
  answer.header('Content-Type', 'application/json; charset=utf-8');
  answer.header('Cache-Control', 'no-store');
  answer.header('Retry-After', '1');
  answer.send(503, JSON.stringify({ statusCode: 503, message: 'The node of this connection does not answer' }));
}
