/** Medians, ratios, and tables. */

export function median(values) {
  const sorted = values.filter(Number.isFinite).sort((a, b) => a - b);
  if (sorted.length === 0) return NaN;
  if (process.env.BENCH_STAT === 'min') return sorted[0];
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** The median of every figure over the rounds. */
export function medians(runs) {
  const names = Object.keys(runs[0] ?? {});
  return Object.fromEntries(names.map((name) => [name, median(runs.map((run) => run[name]))]));
}

/** The median over the rounds of the ratio within a round: a busy neighbour disturbs both sides of a round alike. */
export function ratio(runs, others, figure) {
  if (!runs?.length || !others?.length) return undefined;
  if (process.env.BENCH_STAT === 'min') return medians(runs)[figure] / medians(others)[figure];
  return median(runs.map((run, round) => run[figure] / others[Math.min(round, others.length - 1)][figure]));
}

export function show(value) {
  if (value === undefined || Number.isNaN(value)) return '–';
  if (value >= 1000) return Math.round(value).toLocaleString('en-US');
  return value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2);
}

/** A Markdown table whose columns are aligned in a terminal too. */
export function table(head, rows) {
  const widths = head.map((cell, i) => Math.max(cell.length, ...rows.map((row) => row[i].length)));
  const line = (cells) =>
    `| ${cells.map((cell, i) => (i ? cell.padStart(widths[i]) : cell.padEnd(widths[i]))).join(' | ')} |`;
  const rule = `| ${widths.map((width, i) => (i ? `${'-'.repeat(width - 1)}:` : '-'.repeat(width))).join(' | ')} |`;
  return [line(head), rule, ...rows.map(line)].join('\n');
}

/** The servers that ratios are made to: the heading of each column, and who it is in the cases that have them. */
const YARDSTICKS = { ws: ['ws', 'ws+tls'], WsAdapter: ['WsAdapter'] };

/** The table of one case: a row per server, its figures, and the ratios to the two yardsticks. */
export function caseTable({ figure }, results, titleOf) {
  const names = Object.keys(results);
  const figures = Object.keys(medians(Object.values(results)[0]));
  const head = ['', ...figures, ...Object.keys(YARDSTICKS).map((title) => `× ${title}`)];
  const yardsticks = Object.values(YARDSTICKS).map((all) => all.find((name) => results[name]));
  const rows = names.map((name) => {
    const values = medians(results[name]);
    const ratios = yardsticks.map((other) => show(ratio(results[name], results[other], figure)));
    return [titleOf(name), ...figures.map((key) => show(values[key])), ...ratios];
  });
  return table(head, rows);
}
