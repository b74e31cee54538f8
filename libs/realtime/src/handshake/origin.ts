/**
 * Decides who may connect from a browser. A browser sends cookies whichever site the page is from, so only the same
 * origin may connect unless others are listed. It sends `Origin` with every WebSocket (RFC 6455 §4.1), EventSource and
 * cross-origin `fetch`, but not with an image or a navigation: there its `Sec-Fetch-*` headers decide.
 */
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import type { PlatformRequest } from '../http/platform-request.js';
import { refusal, refusalLoggedAs } from '../http/refusals.js';

/**
 * Refuses what a page that may not connect has caused.
 *
 * @param rawOf returns the platform's request; asked only where there is an `Origin`
 * @param allowed origins besides the same one, as in `isAllowedOrigin`
 * @throws HandshakeError 403; its line in the log says what was compared with what
 */
export function requireOrigin(
  incoming: IncomingMessage,
  rawOf: () => PlatformRequest,
  allowed: readonly string[],
): void {
  const { headers, socket } = incoming;
  const { origin } = headers;
  if (origin === undefined) {
    requireOwnPage(headers, allowed);
    return;
  }
  const raw = rawOf();
  const isEncrypted = 'encrypted' in socket || raw.protocol === 'https';
  const facts = { origin, host: raw.host ?? headers.host, isEncrypted };
  if (isAllowedOrigin(facts, allowed, isDevelopment())) return;
  const compared = `Origin ${short(origin)} is neither that of the host ${short(facts.host)}`;
  throw refusalLoggedAs(
    `${compared} nor in REALTIME_ALLOWED_ORIGINS (${allowed.join(', ') || 'empty'})`,
    refusal(403, 'Origin not allowed: use the same origin or one of REALTIME_ALLOWED_ORIGINS'),
  );
}

/** @throws HandshakeError 403 for a request without `Origin` that a browser sent for another site, or for no script */
function requireOwnPage(headers: IncomingHttpHeaders, allowed: readonly string[]): void {
  if (allowed.includes('*')) return;
  const { 'sec-fetch-site': site, 'sec-fetch-dest': dest } = headers;
  const said = oneOf('Sec-Fetch-Site', site, OTHER_SITES) ?? oneOf('Sec-Fetch-Dest', dest, EMBEDDED);
  if (said === undefined) return;
  throw refusalLoggedAs(
    `No Origin, and ${said}: only REALTIME_ALLOWED_ORIGINS=* allows that, now ${allowed.join(', ') || 'empty'}`,
    refusal(403, `A browser sent this request without an Origin and with "${said}": connect from a script`),
  );
}

/** @returns the header as a line, if it has one of the values */
function oneOf(name: string, value: string[] | string | undefined, values: ReadonlySet<string>): string | undefined {
  return typeof value === 'string' && values.has(value) ? `${name}: ${value}` : undefined;
}

/** Other origins (Fetch Metadata §2.4); `none` is the user, who has typed the address, for example. */
const OTHER_SITES: ReadonlySet<string> = new Set(['cross-site', 'same-site']);

/** What markup asks for: nobody reads messages there, and the markup may come from another user of the site. */
const EMBEDDED: ReadonlySet<string> = new Set([
  ...['audio', 'embed', 'fencedframe', 'font', 'frame', 'iframe', 'image', 'manifest', 'object', 'script', 'style'],
  ...['track', 'video', 'xslt'],
]);

function short(text = 'unknown'): string {
  return text.length > 50 ? `${text.slice(0, 50)}…` : text;
}

/** The facts of a request with an `Origin` that decide. */
export interface OriginFacts {
  readonly origin: string | undefined;
  readonly host: string | undefined;
  /** True if the connection itself uses TLS; behind a proxy it may not, although the page's connection does. */
  readonly isEncrypted: boolean;
}

/**
 * Returns whether a request may connect.
 *
 * @param allowed origins besides the same one: `https://app.example.com`, `https://*.example.com`, `null`, or `*`
 * @param areLocalPortsOne true if pages from this machine may connect to it whatever their port (development)
 */
export function isAllowedOrigin(facts: OriginFacts, allowed: readonly string[], areLocalPortsOne = false): boolean {
  const { origin } = facts;
  if (origin === undefined || allowed.includes('*')) return true;
  if (origin === 'null') return allowed.includes('null');
  const page = parseOrigin(origin);
  if (!page) return false;
  if (areLocalPortsOne && isLocal(page.host) && isLocal(facts.host ?? '')) return true;
  return isSameOrigin(page, facts) || allowed.some((pattern) => matches(page, pattern.toLowerCase()));
}

interface Origin {
  readonly scheme: string;
  /** Host and port, the scheme's default port left out. */
  readonly host: string;
}

function isLocal(host: string): boolean {
  return /^(localhost|127\.0\.0\.1|\[::1\])(:\d+)?$/i.test(host);
}

function isSameOrigin(page: Origin, { host, isEncrypted }: OriginFacts): boolean {
  if (host === undefined || (isEncrypted && page.scheme === 'http')) return false;
  return withoutDefaultPort(page.scheme, host.toLowerCase()) === page.host;
}

function matches(page: Origin, pattern: string): boolean {
  const mark = pattern.indexOf('://');
  if (mark < 0) return false;
  const scheme = pattern.slice(0, mark);
  const host = withoutDefaultPort(scheme, pattern.slice(mark + 3));
  if (scheme !== page.scheme) return false;
  return host.startsWith('*.') ? page.host.endsWith(host.slice(1)) : page.host === host;
}

/** RFC 6454 §6.2: scheme, `://`, host and an optional port; a browser sends nothing else for a page of the web. */
function parseOrigin(text: string): Origin | undefined {
  const found = /^(https?):\/\/((?:\[[\da-f:.]+\]|[\w-]+(?:\.[\w-]+)*\.?)(?::\d+)?)$/i.exec(text);
  if (!found) return undefined;
  const scheme = found[1]!.toLowerCase();
  return { scheme, host: withoutDefaultPort(scheme, found[2]!.toLowerCase()) };
}

function withoutDefaultPort(scheme: string, host: string): string {
  if (scheme === 'http') return host.replace(/:80$/, '');
  if (scheme === 'https') return host.replace(/:443$/, '');
  return host;
}

/** In development, a dev server on another port of the same machine is not another site. */
export function isDevelopment(): boolean {
  return process.env['NODE_ENV'] !== 'production';
}
