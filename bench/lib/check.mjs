/** The regression gate: it compares the ratios of a short run with those in ratios.json, with a tolerance for noise. */
import { readFileSync } from 'node:fs';
import { cases } from '../cases.mjs';
import { ratio, show } from './tables.mjs';

const committed = JSON.parse(readFileSync(new URL('../ratios.json', import.meta.url), 'utf8'));

export const CHECKED = [...new Set(committed.ratios.map((row) => row.case))];

/** The servers that a case is checked on; the others would only take time. */
export function checkedOn(name) {
  return committed.ratios.filter((row) => row.case === name).flatMap(({ server, to }) => [server, to]);
}

/** Prints every ratio with its bound. @returns false when a ratio is above its bound or was not measured */
export function check(all) {
  let isGood = true;
  console.log('');
  for (const { case: name, server, to, ratio: expected } of committed.ratios) {
    const results = all[name] ?? {};
    const found = ratio(results[server], results[to], cases[name].figure);
    const bound = expected * (1 + committed.tolerance);
    const isOver = found === undefined || found > bound;
    if (isOver) isGood = false;
    console.log(`${isOver ? 'SLOWER' : 'ok    '} ${name}: ${server} / ${to} = ${show(found)} (at most ${show(bound)})`);
  }
  return isGood;
}
