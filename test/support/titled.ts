/** Rows for `it.each`: what stands in the name of the test, short and on one line, and the text itself. */
export const titled = (texts: readonly string[]): [string, string][] =>
  texts.map((text) => [JSON.stringify(text.length > 20 ? `${text.slice(0, 20)}…` : text), text]);
