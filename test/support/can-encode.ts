/** True where `JSON` can parse a text and encode it again. Since Node 26 it can do so at any depth. */
export function canEncode(json: string): boolean {
  try {
    JSON.stringify(JSON.parse(json));
    return true;
  } catch {
    return false;
  }
}
