/** What is under way on the connection that publishes. Each call settles within one deadline, or when it is lost. */
import { Deadlines } from '../../limits/deadlines.js';
import { LinkError } from '../../cluster/link.js';

interface Call {
  /** For error messages, after "did not answer". */
  readonly what: string;
  reject(error: LinkError): void;
}

export class Calls {
  private readonly calls: Deadlines<Call>;

  /**
   * @param redact takes the credentials out of a text
   * @param late called when an answer did not come in time
   */
  constructor(
    private readonly timeoutMs: number,
    private readonly redact: (text: string) => string,
    private readonly late: () => void,
  ) {
    this.calls = new Deadlines(
      timeoutMs,
      (call) => this.expire(call),
      () => {},
    );
  }

  /** @throws LinkError within the deadline */
  run<T>(what: string, send: () => Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const call: Call = { what, reject };
      this.calls.add(call);
      send().then(
        (answer) => this.calls.delete(call) && resolve(answer),
        (error: unknown) => this.calls.delete(call) && reject(this.failure(error)),
      );
    });
  }

  /** Rejects everything that is under way. */
  end(error: LinkError): void {
    for (const call of this.calls.clear()) call.reject(error);
  }

  /** @returns the error of the client as one of ours, without credentials */
  failure(error: unknown): LinkError {
    const { name, message } = error as Error;
    if (error instanceof LinkError) return error;
    if (name === 'ReplyError') return new LinkError('refused', `Redis refused: ${this.redact(message)}`);
    const wasSent = !message.startsWith("Stream isn't writeable");
    return new LinkError(wasSent ? 'unknown' : 'unavailable', 'The connection to Redis was lost before it answered');
  }

  /** After a stall of this process the answer may have arrived unread: it is read before the call is given up. */
  private expire(call: Call): void {
    setImmediate(() => {
      if (!this.calls.delete(call)) return;
      call.reject(new LinkError('unknown', `Redis did not answer ${call.what} within ${this.timeoutMs / 1000} s`));
      this.late();
    });
  }
}
