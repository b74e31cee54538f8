/** `REALTIME_REDIS_URL`: where Redis is, and as whom. Nothing in here prints the user name or the password. */
import { OptionsError } from '../../errors.js';

export interface HostPort {
  readonly host: string;
  readonly port: number;
}

export interface RedisAddress {
  readonly kind: 'single' | 'sentinel' | 'cluster';
  /** One server; the sentinels; or some servers of the Cluster. */
  readonly hosts: readonly HostPort[];
  /** The name of the master that the sentinels watch. */
  readonly masterName?: string;
  readonly username?: string;
  readonly password?: string;
  readonly db: number;
  readonly tls: boolean;
}

const FORMS = [
  'redis://[user:password@]host[:port][/db]',
  'rediss://…',
  'redis+sentinel://[user:password@]host:port,host:port/name[/db]',
  'redis+cluster://[user:password@]host:port,host:port',
].join(', ');

const URL_FORM = /^(rediss?)(?:\+(sentinel|cluster))?:\/\/(?:(.*)@)?([^/@?#]+)(?:\/([^/?#]*))?(?:\/([^/?#]*))?$/s;
const HOST_FORM = /^(\[[\da-f:.]+\]|[\w.-]+)(?::(\d{1,5}))?$/i;
const DEFAULT_PORT = { single: 6379, sentinel: 26379, cluster: 6379 };

/**
 * @param url one of the forms of `REALTIME_REDIS_URL`; user name and password are percent-encoded
 * @throws OptionsError which does not repeat the URL, because a password may be in it
 */
export function parseAddress(url: string): RedisAddress {
  const found = URL_FORM.exec(url);
  if (!found) throw problem('it has none of these forms');
  const [, scheme, variant, credentials, hosts, ...path] = found;
  const kind = (variant ?? 'single') as RedisAddress['kind'];
  return {
    ...{ kind, tls: scheme === 'rediss', hosts: parseHosts(hosts!, kind) },
    ...parsePath(kind, path),
    ...parseCredentials(credentials),
  };
}

/** For log lines: `redis+cluster://127.0.0.1:7000,127.0.0.1:7001`. */
export function shownAddress({ kind, hosts, masterName, tls }: RedisAddress): string {
  const scheme = `${tls ? 'rediss' : 'redis'}${kind === 'single' ? '' : `+${kind}`}`;
  const list = hosts.map(({ host, port }) => `${host.includes(':') ? `[${host}]` : host}:${port}`).join(',');
  return `${scheme}://${list}${masterName ? `/${masterName}` : ''}`;
}

/** @returns a function that replaces the user name and the password wherever they stand in a text */
export function redactor(...secrets: readonly (string | null | undefined)[]): (text: string) => string {
  const forms = secrets.flatMap((secret) => (secret ? [secret, encodeURIComponent(secret)] : []));
  const longestFirst = [...new Set(forms)].sort((a, b) => b.length - a.length);
  return (text) => longestFirst.reduce((shown, secret) => shown.replaceAll(secret, '***'), text);
}

function problem(what: string): OptionsError {
  return new OptionsError(`REALTIME_REDIS_URL is not the address of a Redis: ${what}. Its forms are ${FORMS}`);
}

function parseHosts(text: string, kind: RedisAddress['kind']): HostPort[] {
  const hosts = text.split(',').map((each) => {
    const [, host, port = DEFAULT_PORT[kind]] = HOST_FORM.exec(each) ?? [];
    if (!host || Number(port) > 65_535) throw problem('a host or a port cannot be read');
    return { host: host.replace(/^\[|\]$/g, ''), port: Number(port) };
  });
  if (kind === 'single' && hosts.length > 1) throw problem('several hosts need redis+sentinel:// or redis+cluster://');
  return hosts;
}

function parsePath(kind: RedisAddress['kind'], path: readonly (string | undefined)[]) {
  const [first = '', second = ''] = path;
  const [masterName, db] = kind === 'sentinel' ? [decoded(first), second] : [undefined, first];
  if (kind === 'sentinel' && !masterName) throw problem('the name of the master is missing after the sentinels');
  if (!/^\d{0,4}$/.test(db) || (kind !== 'sentinel' && second)) throw problem('the database is not a number');
  if (kind === 'cluster' && Number(db) > 0) throw problem('a Cluster has no database but 0');
  return { ...(masterName && { masterName }), db: Number(db) };
}

function parseCredentials(text: string | undefined): { username?: string; password?: string } {
  if (text === undefined) return {};
  const colon = text.indexOf(':');
  const username = decoded(colon < 0 ? text : text.slice(0, colon));
  const password = colon < 0 ? '' : decoded(text.slice(colon + 1));
  return { ...(username && { username }), ...(password && { password }) };
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw problem('a percent sign is not followed by two hexadecimal digits; a percent sign itself is %25');
  }
}
