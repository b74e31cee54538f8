/** A session store that is slow, fails or hangs, as the case of the session says. */
import { setImmediate, setTimeout } from 'node:timers';
import cookie from '@fastify/cookie';
import fastifySession from '@fastify/session';
import expressSession from 'express-session';

const SECRET = 'a secret of at least 32 characters, for the fuzzer';

export class FuzzStore extends expressSession.Store {
  texts = new Map();

  constructor(cases) {
    super();
    this.cases = cases;
  }

  /** Calls back as the case says; sessions without a case are stored at once. */
  answer(text, done, ...results) {
    const plan = this.cases.get(JSON.parse(text).case);
    const behaviour = plan?.store ?? 'works';
    if (behaviour === 'works') setImmediate(done, null, ...results);
    else if (behaviour === 'slow') setTimeout(done, plan.number % 30, null, ...results);
    else if (behaviour === 'fails') setImmediate(done, new Error('The store fails on purpose'));
  }

  get(id, done) {
    const text = this.texts.get(id);
    if (text === undefined) setImmediate(done, null, null);
    else this.answer(text, done, JSON.parse(text));
  }

  set(id, session, done = () => {}) {
    const text = JSON.stringify(session);
    this.texts.set(id, text);
    this.answer(text, done);
  }

  destroy(id, done = () => {}) {
    this.texts.delete(id);
    setImmediate(done);
  }
}

/** Installs sessions as `main.ts` would. */
export async function useSessions(app, store, platform) {
  if (platform === 'express') {
    app.use(expressSession({ store, secret: SECRET, resave: false, saveUninitialized: false }));
    return;
  }
  const fastify = app.getHttpAdapter().getInstance();
  await fastify.register(cookie);
  await fastify.register(fastifySession, {
    store,
    secret: SECRET,
    saveUninitialized: false,
    cookie: { secure: false },
  });
}
