/** The command line of a script of the benchmark. Its head comment is its help. */
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';

/**
 * Reads the flags. With `--help` it prints the head comment of the file, with a wrong flag it prints an error, and both
 * end the process.
 *
 * @param file the script
 * @param defaults by flag; a flag takes values of the type of its default, and `undefined` stands for a string
 */
export function readFlags(file, defaults, { allowPositionals = false } = {}) {
  const typeOf = (value) => ({ type: typeof value === 'boolean' ? 'boolean' : 'string' });
  const options = Object.fromEntries(Object.entries(defaults).map(([name, value]) => [name, typeOf(value)]));
  try {
    const { values, positionals } = parseArgs({ options: { ...options, help: { type: 'boolean' } }, allowPositionals });
    if (values.help) {
      console.log(headComment(file));
      process.exit();
    }
    return { values: withDefaults(values, defaults), positionals };
  } catch (error) {
    console.error(`${error.message}\nThe flag --help lists all flags.`);
    process.exit(1);
  }
}

function withDefaults(given, defaults) {
  const values = { ...defaults, ...given };
  for (const [name, value] of Object.entries(defaults)) {
    if (typeof value !== 'number') continue;
    values[name] = Number(values[name]);
    if (!(values[name] > 0)) throw new Error(`--${name} takes a number above 0, not "${given[name]}".`);
  }
  return values;
}

function headComment(file) {
  const [, text] = /^\/\*\*\n?([\s\S]*?)\*\//.exec(readFileSync(file, 'utf8'));
  return text.replaceAll(/^ \*(?: |$)/gm, '').trim();
}
