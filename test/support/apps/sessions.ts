/** HTTP sessions on both platforms, over a store that a test can slow down or break. */
import cookie from '@fastify/cookie';
import fastifySession from '@fastify/session';
import type { INestApplication } from '@nestjs/common';
import expressSession from 'express-session';

const SECRET = 'a secret of at least 32 characters, for the tests';

type Done = (error?: unknown) => void;

/** Keeps sessions as text, as a store in another process does. */
export class TestStore extends expressSession.Store {
  readonly texts = new Map<string, string>();
  /** How `set` behaves; `slowly` ends when the test runs what is in `held`. */
  behaviour: 'works' | 'slowly' | 'fails' | 'hangs' = 'works';
  /** Ends pending calls of `set`, one function each. */
  readonly held: (() => void)[] = [];

  override get(id: string, done: (error: unknown, session?: never) => void): void {
    const text = this.texts.get(id);
    setImmediate(done, null, text === undefined ? null : JSON.parse(text));
  }

  override set(id: string, session: object, done: Done = () => {}): void {
    const text = JSON.stringify(session);
    const keep = () => {
      this.texts.set(id, text);
      done();
    };
    if (this.behaviour === 'works') setImmediate(keep);
    else if (this.behaviour === 'slowly') this.held.push(keep);
    else if (this.behaviour === 'fails') setImmediate(done, new Error('The store is down'));
  }

  override destroy(id: string, done: Done = () => {}): void {
    this.texts.delete(id);
    setImmediate(done);
  }

  /** Forgets all sessions, and works again. */
  reset(): void {
    this.texts.clear();
    this.held.length = 0;
    this.behaviour = 'works';
  }

  /** All stored sessions, one object each. */
  get stored(): Record<string, unknown>[] {
    return [...this.texts.values()].map((text) => JSON.parse(text) as Record<string, unknown>);
  }
}

/** Installs sessions as `main.ts` would. */
export async function useSessions(app: INestApplication, store: TestStore): Promise<void> {
  if (app.getHttpAdapter().getType() === 'express') {
    app.use(expressSession({ store, secret: SECRET, resave: false, saveUninitialized: false }));
    return;
  }
  const fastify = app.getHttpAdapter().getInstance() as { register(plugin: unknown, options?: object): unknown };
  await fastify.register(cookie);
  await fastify.register(fastifySession, {
    store,
    secret: SECRET,
    saveUninitialized: false,
    cookie: { secure: false },
  });
}

/** @returns the session cookie of an answer, as a client sends it back */
export function cookieOf(setCookie: string | null | undefined): string {
  const [pair] = /^[^;]+/.exec(setCookie ?? '') ?? [];
  if (pair === undefined) throw new Error('The answer sets no cookie');
  return pair;
}
