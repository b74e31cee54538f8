/** The HTTP session during `onOpen`: what the hook changes in it must be stored before the client receives anything. */
import { RealtimeError } from '../errors.js';

/** The session objects of express-session and @fastify/session call back; those of other libraries return a promise. */
interface SavableSession {
  save(done: (error?: unknown) => void): unknown;
}

export class OpenSession {
  private before: string | undefined;

  private constructor(private readonly session: SavableSession) {
    this.before = textOf(session);
  }

  /** @returns undefined if the request has no session that can be saved */
  static of(session: unknown): OpenSession | undefined {
    const isSavable =
      typeof session === 'object' && session !== null && typeof (session as SavableSession).save === 'function';
    return isSavable ? new OpenSession(session as SavableSession) : undefined;
  }

  /**
   * Saves the session if it was changed: its middleware will not, because the response has already ended.
   *
   * @param timeoutMs how long the store may take
   * @throws RealtimeError `session_not_saved` when the store fails or takes too long
   */
  async saveChanges(timeoutMs: number): Promise<void> {
    const now = textOf(this.session);
    if (now !== undefined && now === this.before) return;
    this.before = now;
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_resolve, reject) => {
      timer = setTimeout(() => reject(new Error(`The session store took longer than ${timeoutMs} ms`)), timeoutMs);
    });
    try {
      await Promise.race([this.save(), late]);
    } catch (cause) {
      throw new RealtimeError('session_not_saved', 'The session could not be saved after onOpen', { cause });
    } finally {
      clearTimeout(timer);
    }
  }

  private async save(): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      const saved = this.session.save((error) => (error ? reject(error as Error) : resolve()));
      if (saved instanceof Promise) saved.then(() => resolve(), reject);
    });
  }
}

/** @returns undefined for a session that cannot be compared: it is saved in any case */
function textOf(session: object): string | undefined {
  try {
    return JSON.stringify(session);
  } catch {
    return undefined;
  }
}
