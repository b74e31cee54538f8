/** The HTTP session during `onOpen`: what the hook writes to it must be stored before the client hears anything. */
import { RealtimeError } from './errors.js';

/** What express-session and @fastify/session give. */
interface SavableSession {
  save(done: (error?: unknown) => void): unknown;
}

export class OpenSession {
  private readonly before: string | undefined;

  private constructor(private readonly session: SavableSession) {
    this.before = textOf(session);
  }

  /** @returns undefined when there is no session that can be saved */
  static of(session: unknown): OpenSession | undefined {
    const isSavable =
      typeof session === 'object' && session !== null && typeof (session as SavableSession).save === 'function';
    return isSavable ? new OpenSession(session as SavableSession) : undefined;
  }

  /**
   * Saves the session when it was changed: nothing else will, because its response has ended.
   *
   * @param timeoutMs how long the store may take
   * @throws RealtimeError `session_not_saved`
   */
  async saveChanges(timeoutMs: number): Promise<void> {
    if (this.before !== undefined && textOf(this.session) === this.before) return;
    await new Promise<void>((resolve, reject) => {
      const failed = (cause?: unknown) => {
        reject(new RealtimeError('session_not_saved', 'The session could not be saved after onOpen', { cause }));
      };
      const timer = setTimeout(failed, timeoutMs);
      this.session.save((error) => {
        clearTimeout(timer);
        if (error) failed(error);
        else resolve();
      });
    });
  }
}

/** @returns undefined where it cannot be compared: then it is saved in any case */
function textOf(session: object): string | undefined {
  try {
    return JSON.stringify(session);
  } catch {
    return undefined;
  }
}
