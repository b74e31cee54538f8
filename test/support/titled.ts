/** Rows for `it.each`: a short title on one line for the name of the test, and the text itself. */
export const titled = (texts: readonly string[]): [string, string][] =>
  texts.map((text) => [JSON.stringify(text.length > 20 ? `${text.slice(0, 20)}…` : text), text]);
