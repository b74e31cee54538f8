/**
 * Decides who may connect from a browser. A browser sends `Origin` with every handshake (RFC 6455 §4.1), and cookies
 * with it, whichever site the page is from; so only the same origin may connect unless others are listed. A request
 * without `Origin` does not come from a page, and carries nobody's cookies by accident.
 */

/** The facts of a request that decide. */
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
