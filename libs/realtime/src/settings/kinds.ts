/** The kinds of settings: how a row reads an environment variable, and what it allows, in words and as a schema. */
import { z } from 'zod';

/** One row of the settings table. */
export interface Setting<T> {
  /** The environment variable. */
  readonly env: string;
  /** The default. */
  readonly fallback: T;
  readonly schema: z.ZodType<T>;
  /** What is allowed, in words; a boot error quotes it. */
  readonly allowed: string;
  /** One sentence for the docs. */
  readonly about: string;
  /** Reads an environment variable; returns text that it cannot read as it is, for the schema to refuse. */
  readonly read: (text: string) => unknown;
  /** True for a value that no error and no line may repeat. */
  readonly isSecret?: boolean;
}

const number = (text: string): unknown => (Number.isNaN(Number(text)) ? text : Number(text));

export function seconds(env: string, fallback: number, min: number, about: string): Setting<number> {
  const zero = min === 0 ? ', 0 turns it off' : '';
  const allowed = `seconds, ${min || 0} to 86400, fractions allowed${zero}`;
  return { env, fallback, schema: z.number().min(min).max(86_400), allowed, about, read: number };
}

export function count(
  env: string,
  fallback: number,
  min: number,
  max: number,
  unit: string,
  about: string,
): Setting<number> {
  const allowed = `a whole number${unit === 'a port' ? '' : ` of ${unit}`}, ${min} to ${max}`;
  return { env, fallback, schema: z.number().int().min(min).max(max), allowed, about, read: number };
}

const WORDS: ReadonlyMap<string, boolean> = new Map([
  ...['true', '1', 'yes', 'on'].map((word) => [word, true] as const),
  ...['false', '0', 'no', 'off'].map((word) => [word, false] as const),
]);

export function flag(env: string, fallback: boolean, about: string): Setting<boolean> {
  const read = (text: string) => WORDS.get(text.toLowerCase()) ?? text;
  return { env, fallback, schema: z.boolean(), allowed: 'true or false (also 1/0, yes/no, on/off)', about, read };
}

export const ORIGIN = /^(\*|null|https?:\/\/(\*\.)?[^\s/*@?#]+)$/i;

/** Largest value that ws takes as a limit: 2^31 and more, and everything below 1, would mean "unlimited". */
export const MAX_INT32 = 2 ** 31 - 1;

/** One of a few words, of which the first is the default. */
export function choice<T extends string>(env: string, words: readonly [T, ...T[]], about: string): Setting<T> {
  const read = (text: string) => text.toLowerCase();
  return { env, fallback: words[0], schema: z.enum(words) as z.ZodType<T>, allowed: words.join(', '), about, read };
}

/** A rate or a number; 0 turns the limit off. */
export function bound(env: string, fallback: number, unit: string, about: string): Setting<number> {
  const schema = z.number().int().min(0).max(MAX_INT32);
  return {
    env,
    fallback,
    schema,
    allowed: `a whole number of ${unit}, 0 (no limit) to ${MAX_INT32}`,
    about,
    read: number,
  };
}
