/** Middleware that does what middleware should not do. It never throws late: that is the end of any application. */
import { setTimeout as sleep } from 'node:timers/promises';

const quietly = (work) => {
  try {
    work();
  } catch {
    // Node refuses what comes after the end
  }
};

const KINDS = {
  none: ({ next }) => next(),
  async: async ({ next, ms }) => {
    await sleep(ms / 8);
    next();
  },
  writeAtFinish: ({ response, next }) => {
    response.once('finish', () => quietly(() => response.write('late')));
    next();
  },
  writeAtClose: ({ response, next }) => {
    response.once('close', () => quietly(() => response.write('late')));
    next();
  },
  endLater: ({ response, next, ms }) => {
    setTimeout(() => quietly(() => response.end()), ms);
    next();
  },
  nextTwice: ({ next }) => {
    next();
    next();
  },
  nextLate: ({ next, ms }) => void setTimeout(next, ms),
  // Node does not notice that a client has left whose request nobody reads
  nextNever: ({ request }) => void request.resume(),
  nextAndAnswer: ({ response, next, ms }) => {
    quietly(() => response.end('answered'));
    setTimeout(next, ms);
  },
  destroySocket: ({ request }) => void request.socket.destroy(),
  destroyLater: ({ request, next, ms }) => {
    setTimeout(() => request.socket?.destroy(), ms);
    next();
  },
  answerAfterTime: ({ response, next, ms }) => {
    setTimeout(() => {
      if (!response.headersSent) quietly(() => response.writeHead(503).end('too late'));
    }, ms);
    next();
  },
  answersItself: ({ response }) => quietly(() => response.writeHead(200).end('mine')),
  throws: () => {
    throw new Error('on purpose');
  },
  failsNext: ({ next }) => next(new Error('on purpose')),
};

/** With a session, Fastify itself ends the process if somebody else answers while it is stored, on any route. */
const NOT_WITH_FASTIFY_SESSIONS = ['endLater', 'nextAndAnswer', 'nextTwice', 'answerAfterTime'];

/** @param world its `planOf` returns the case of a request's URL, if it is one */
export function badMiddleware({ planOf, era: { platform, hasSessions }, unread }) {
  const isOff = (kind) => platform === 'fastify' && hasSessions && NOT_WITH_FASTIFY_SESSIONS.includes(kind);
  return (request, response, next) => {
    const plan = planOf(request.originalUrl ?? request.url);
    const { middleware = 'none', middlewareMs: ms, store } = plan ?? {};
    // The middleware of the sessions, which is the next one, waits for the store before anybody reads a body
    if (hasSessions && store === 'hangs') unread.set(request, plan);
    KINDS[isOff(middleware) ? 'none' : middleware]({ request, response, next, ms });
  };
}
