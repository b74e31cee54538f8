/** Compares names as people misspell them. */

/** Names that are shorter are words that differ in a letter more often than by mistake. */
const LONG = 9;

/** Returns whether a name differs only in case from another one, or in so few letters that it is probably meant. */
export function isNear(name: string, other: string): boolean {
  return name !== other && distance(name.toLowerCase(), other.toLowerCase()) <= (other.length >= LONG ? 2 : 1);
}

/** Sorts the names that are nearest to a name to the front. */
export function distanceIn(name: string): (one: string, other: string) => number {
  const from = (other: string) => distance(name.toLowerCase(), other.toLowerCase());
  return (one, other) => from(one) - from(other);
}

/** How many letters have to be added, left out, replaced, or exchanged with their neighbour (optimal string alignment). */
function distance(one: string, other: string): number {
  const rows = [Array.from({ length: other.length + 1 }, (_, column) => column)];
  for (let row = 1; row <= one.length; row++) {
    const line = [row];
    for (let column = 1; column <= other.length; column++) {
      const cost = one[row - 1] === other[column - 1] ? 0 : 1;
      const steps = [rows[row - 1]![column]! + 1, line[column - 1]! + 1, rows[row - 1]![column - 1]! + cost];
      const isExchange = row > 1 && one[row - 1] === other[column - 2] && one[row - 2] === other[column - 1];
      if (isExchange) steps.push(rows[row - 2]![column - 2]! + 1);
      line.push(Math.min(...steps));
    }
    rows.push(line);
  }
  return rows[one.length]![other.length]!;
}
