/**
 * Preloaded into the servers of a study: they import the packages of the repository, whatever `npm run bench` has
 * installed in bench/servers. So a study measures the library that the tests test, on a single copy of Nest.
 * `BENCH_CHECKOUT` names another checkout, whose packages are measured instead.
 */
import module from 'node:module';
import { pathToFileURL } from 'node:url';
import { isMainThread } from 'node:worker_threads';

const SERVERS = new URL('../servers/', import.meta.url).href;
const { BENCH_CHECKOUT } = process.env;
const ROOT = BENCH_CHECKOUT ? pathToFileURL(`${BENCH_CHECKOUT}/`) : new URL('../../', import.meta.url);
const REPOSITORY = new URL('package.json', ROOT).href;

const isPackage = (specifier) => !/^(\.{0,2}\/|[a-z]+:)/.test(specifier);

export function resolve(specifier, context, next) {
  const isOfServer = context.parentURL?.startsWith(SERVERS) && isPackage(specifier);
  return next(specifier, isOfServer ? { ...context, parentURL: REPOSITORY } : context);
}

// Node before 22.15 has `register` only, which loads this file a second time, in a thread of its own
if (module.registerHooks) module.registerHooks({ resolve });
else if (isMainThread) module.register(import.meta.url);
