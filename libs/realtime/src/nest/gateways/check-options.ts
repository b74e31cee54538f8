/** Checks the options of `@WebSocketGateway()`: Nest takes any object, and a misspelt option would be a missing check. */
import type { RealtimeGatewayOptions } from '../gateway-options.js';
import type { HandleProtocols, VerifyClient } from '../found-gateway.js';
import { isNear } from './near-miss.js';

/** The options that have an effect here; two of them are options of `ws`. */
export type KnownOptions = RealtimeGatewayOptions & {
  readonly verifyClient?: VerifyClient;
  readonly handleProtocols?: HandleProtocols;
};

interface Rule {
  readonly allowed: string;
  allows(value: unknown): boolean;
}

const isText = (value: unknown): boolean => typeof value === 'string';
/** A token (RFC 9110 §5.6.2) that is not one of this module: `bearer.…` is a credential, `hello.…` a client library's. */
const isProtocol = (value: unknown): boolean =>
  /^(?!bearer\.|hello\.|realtime\.v1$)[!#$%&'*+\-.^_`|~\w]+$/.test(String(value));
const isVersion = (value: unknown): boolean => typeof value === 'string' || typeof value === 'symbol';
const listOf = (value: unknown): unknown[] => (Array.isArray(value) ? value : [value]);
const oneOrMore = (value: unknown, allows: (each: unknown) => boolean): boolean =>
  listOf(value).length > 0 && listOf(value).every(allows);

function oneOf(...words: readonly string[]): Rule {
  return { allowed: words.join(', '), allows: (value) => words.includes(value as string) };
}

const FLAG: Rule = { allowed: 'true or false', allows: (value) => typeof value === 'boolean' };
const FUNCTION: Rule = { allowed: 'a function', allows: (value) => typeof value === 'function' };
const TRANSPORT = oneOf('websocket', 'sse', 'polling');

const RULES: Readonly<Record<keyof KnownOptions, Rule>> = {
  path: { allowed: 'a path or a list of paths', allows: (value) => oneOrMore(value, isText) },
  version: { allowed: 'a version or a list of versions', allows: (value) => oneOrMore(value, isVersion) },
  middleware: FLAG,
  keepContext: FLAG,
  recheck: FLAG,
  guards: oneOf('handshake', 'message', 'both'),
  slowConsumer: oneOf('close', 'drop-newest', 'drop-oldest'),
  transports: {
    allowed: `a list of ${TRANSPORT.allowed}`,
    allows: (value) => Array.isArray(value) && oneOrMore(value, TRANSPORT.allows),
  },
  protocols: {
    allowed: 'a list of names other than "realtime.v1" that do not begin with "bearer." or "hello.", or a function',
    allows: (value) => typeof value === 'function' || (Array.isArray(value) && oneOrMore(value, isProtocol)),
  },
  verifyClient: FUNCTION,
  handleProtocols: FUNCTION,
};

const NAMES = Object.keys(RULES) as (keyof KnownOptions)[];

/** @returns one line for each option with a value that it cannot have, and for each one that is nearly an option */
export function optionProblems(gateway: string, options: object): string[] {
  return Object.entries(options).flatMap(([name, value]) => {
    const at = `${gateway}: ${name} in @WebSocketGateway()`;
    const rule = ruleOf(name);
    if (rule) {
      const isAllowed = value === undefined || rule.allows(value);
      return isAllowed ? [] : [`${at} is ${shown(value)}, which is not allowed; expected ${rule.allowed}`];
    }
    const near = NAMES.find((known) => isNear(name, known));
    return near ? [`${at} does not exist: did you mean ${near}?`] : [];
  });
}

/** @returns the names of options that have no effect here and are not misspelt: options of `ws` and Socket.IO */
export function optionsWithoutEffect(options: object): string[] {
  return Object.keys(options).filter((name) => !ruleOf(name));
}

function ruleOf(name: string): Rule | undefined {
  return Object.hasOwn(RULES, name) ? RULES[name as keyof KnownOptions] : undefined;
}

function shown(value: unknown): string {
  return typeof value === 'string' || Array.isArray(value) ? JSON.stringify(value) : String(value);
}
