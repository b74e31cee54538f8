/** Turns options, environment, `.env` file and defaults into one frozen object, or an error that lists every problem. */
import { readFileSync } from 'node:fs';
import { parseEnv } from 'node:util';
import { OptionsError } from '../errors.js';
import { type RealtimeOptions, type SettingName, type SettingValues, SETTINGS } from './options.js';
import type { Setting } from './kinds.js';
import { roomProblems, RoomTable, type UserOptions } from './room-options.js';
import { deriveCluster, deriveHeartbeat, doubts, type Mutable, type SettingSource } from './derived.js';

export type { SettingSource } from './derived.js';

/** The environment as `process.env` has it. */
export type Environment = Readonly<Record<string, string | undefined>>;

const NAMES = Object.keys(SETTINGS) as SettingName[];
/** Options that are no settings: they can be given in code only. */
const IN_CODE: ReadonlySet<string> = new Set(['envFile', 'redis', 'rooms', 'users']);
const VARIABLES: ReadonlySet<string> = new Set(NAMES.map((name) => SETTINGS[name].env));

/**
 * The settings in force: injectable, frozen, one property per row of `docs/settings.md`.
 *
 * @example app.listen(app.get(RealtimeSettings).listenPort, app.get(RealtimeSettings).listenIp);
 */
// eslint-disable-next-line @typescript-eslint/no-unsafe-declaration-merging -- the properties are the table's rows
export class RealtimeSettings {
  private constructor(
    values: SettingValues,
    private readonly sources: ReadonlyMap<SettingName, SettingSource>,
    /** Settings that are allowed but probably not meant, one line each; logged at boot. */
    readonly warnings: readonly string[],
    /** The options of rooms, by their names. */
    readonly rooms: RoomTable,
    /** The options of all users. */
    readonly users: UserOptions,
  ) {
    Object.assign(this, values);
    Object.freeze(this);
  }

  /**
   * Resolves the settings.
   *
   * @param options the options given in code
   * @param environment the real environment; default `process.env`
   * @returns the frozen settings
   * @throws OptionsError that lists every bad value at once: name, given value, what is allowed
   */
  static from(options: RealtimeOptions = {}, environment: Environment = process.env): RealtimeSettings {
    const file = readEnvFile(options.envFile);
    const sources = new Map<SettingName, SettingSource>();
    const values: Record<string, unknown> = {};
    const problems = [...unknownOptions(options), ...roomProblems(options)];
    for (const name of NAMES) {
      const given = findValue(name, options, environment, file);
      sources.set(name, given.source);
      const parsed = SETTINGS[name].schema.safeParse(given.value);
      if (parsed.success) values[name] = parsed.data;
      else problems.push(problemOf(name, given));
    }
    if (problems.length > 0) throw new OptionsError(problems);
    const complete = values as Mutable<SettingValues>;
    deriveHeartbeat(complete, sources);
    deriveCluster(complete, sources, options, environment);
    for (const list of [complete.allowedOrigins, complete.clusterKeys]) Object.freeze(list);
    const warnings = [...unknownVariables(environment, file), ...doubts(complete)];
    return new RealtimeSettings(complete, sources, warnings, new RoomTable(options.rooms), options.users ?? {});
  }

  /** Returns where the value of a setting came from. */
  sourceOf(name: SettingName): SettingSource {
    return this.sources.get(name) ?? 'default';
  }
}

// eslint-disable-next-line @typescript-eslint/no-unsafe-declaration-merging, @typescript-eslint/no-empty-object-type -- see the class
export interface RealtimeSettings extends SettingValues {}

function problemOf(name: SettingName, { label, value }: Given): string {
  const row: Setting<unknown> = SETTINGS[name];
  return `${label}: ${row.isSecret ? 'the value' : show(value)} is not allowed; expected ${row.allowed}`;
}

interface Given {
  readonly value: unknown;
  readonly source: SettingSource;
  readonly label: string;
}

function findValue(name: SettingName, options: RealtimeOptions, environment: Environment, file: Environment): Given {
  const row: Setting<unknown> = SETTINGS[name];
  if (options[name] !== undefined) return { value: options[name], source: 'code', label: `forRoot({ ${name} })` };
  for (const [source, variables] of [['env', environment] as const, ['.env', file] as const]) {
    const text = variables[row.env]?.trim();
    if (text)
      return { value: row.read(text), source, label: source === 'env' ? row.env : `${row.env} (in the env file)` };
  }
  return { value: row.fallback, source: 'default', label: name };
}

function readEnvFile(envFile: string | false | undefined): Environment {
  if (envFile === false) return {};
  try {
    return parseEnv(readFileSync(envFile ?? '.env', 'utf8').replace(/^\ufeff/, ''));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT' || envFile !== undefined) {
      throw new OptionsError(`envFile: ${show(envFile ?? '.env')} cannot be read (${(error as Error).message})`);
    }
    return {};
  }
}

function unknownOptions(options: RealtimeOptions): string[] {
  return Object.keys(options)
    .filter((name) => !IN_CODE.has(name) && !Object.hasOwn(SETTINGS, name))
    .map((name) => `forRoot({ ${name} }): there is no such setting; see docs/settings.md`);
}

function unknownVariables(environment: Environment, file: Environment): string[] {
  const names = new Set([...Object.keys(environment), ...Object.keys(file)]);
  return [...names]
    .filter((name) => name.startsWith('REALTIME_') && !VARIABLES.has(name))
    .map((name) => `${name} is set, but there is no such setting: it has no effect.`);
}

function show(value: unknown): string {
  if (typeof value === 'number' || typeof value === 'bigint') return String(value);
  try {
    return JSON.stringify(value) ?? String(value);
  } catch {
    return Object.prototype.toString.call(value);
  }
}
