/** Reads the `Cookie` header for applications without a cookie parser. */

/** @returns the cookies, decoded; the first of two with one name counts */
export function parseCookies(header = ''): Readonly<Record<string, string>> {
  const cookies = Object.create(null) as Record<string, string>;
  for (const pair of header.split(';')) {
    const mark = pair.indexOf('=');
    const name = pair.slice(0, mark).trim();
    const value = pair.slice(mark + 1).trim();
    if (mark > 0 && !(name in cookies)) cookies[name] = decoded(value.replace(/^"(.*)"$/, '$1'));
  }
  return cookies;
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
