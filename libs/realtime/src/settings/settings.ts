/** Turns options, environment, `.env` file and defaults into one frozen object, or an error that lists every problem. */
import { readFileSync } from 'node:fs';
import { parseEnv } from 'node:util';
import { OptionsError } from '../errors.js';
import { type RealtimeOptions, type SettingName, type SettingValues, SETTINGS } from './options.js';
import type { Setting } from './kinds.js';

/** Where a value came from. Code wins over the environment, the environment over the file, the file over the default. */
export type SettingSource = 'code' | 'env' | '.env' | 'default' | 'derived';

/** The environment as `process.env` has it. */
export type Environment = Readonly<Record<string, string | undefined>>;

const NAMES = Object.keys(SETTINGS) as SettingName[];
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
    const problems = unknownOptions(options);
    for (const name of NAMES) {
      const given = findValue(name, options, environment, file);
      sources.set(name, given.source);
      const parsed = SETTINGS[name].schema.safeParse(given.value);
      if (parsed.success) values[name] = parsed.data;
      else problems.push(`${given.label}: ${show(given.value)} is not allowed; expected ${SETTINGS[name].allowed}`);
    }
    if (problems.length > 0) throw new OptionsError(problems);
    deriveHeartbeat(values as Mutable<SettingValues>, sources);
    const complete = values as SettingValues;
    Object.freeze(complete.allowedOrigins);
    return new RealtimeSettings(complete, sources, [
      ...unknownVariables(environment, file),
      ...heartbeatDoubts(complete),
    ]);
  }

  /** Returns where the value of a setting came from. */
  sourceOf(name: SettingName): SettingSource {
    return this.sources.get(name) ?? 'default';
  }
}

// eslint-disable-next-line @typescript-eslint/no-unsafe-declaration-merging, @typescript-eslint/no-empty-object-type -- see the class
export interface RealtimeSettings extends SettingValues {}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

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

/**
 * Swoole's rules: if only the check interval is set, the idle time is twice as long; if only the idle time is set, the
 * check interval is half of it. A check interval of 0, or of more than half of the idle time, becomes half of it.
 */
function deriveHeartbeat(values: Mutable<SettingValues>, sources: Map<SettingName, SettingSource>): void {
  const isSet = (name: SettingName) => sources.get(name) !== 'default';
  const half = () => values.heartbeatIdleTime / 2;
  if (isSet('heartbeatCheckInterval') && !isSet('heartbeatIdleTime') && values.heartbeatCheckInterval > 0) {
    values.heartbeatIdleTime = 2 * values.heartbeatCheckInterval;
    sources.set('heartbeatIdleTime', 'derived');
  }
  const isIdleAlone = isSet('heartbeatIdleTime') && !isSet('heartbeatCheckInterval');
  if (isIdleAlone || values.heartbeatCheckInterval > half() || values.heartbeatCheckInterval === 0) {
    values.heartbeatCheckInterval = half();
    sources.set('heartbeatCheckInterval', 'derived');
  }
}

/** Proxies such as nginx and AWS's load balancers cut a connection that is silent for this many seconds. */
const PROXY_TIMEOUT = 60;

function heartbeatDoubts({ heartbeatPingInterval: ping, heartbeatIdleTime: idle }: SettingValues): string[] {
  const doubts: string[] = [];
  if (ping === 0 || ping >= PROXY_TIMEOUT) {
    const given = ping === 0 ? 'off' : `${ping}s`;
    doubts.push(
      `Heartbeat pings are ${given}: a proxy that cuts silent connections after ${PROXY_TIMEOUT}s, the default of nginx and others, will cut quiet clients. ` +
        `Set REALTIME_HEARTBEAT_PING_INTERVAL below ${PROXY_TIMEOUT}.`,
    );
  }
  if (ping > 0 && idle > 0 && idle <= ping) {
    doubts.push(
      `REALTIME_HEARTBEAT_IDLE_TIME (${idle}s) is not above REALTIME_HEARTBEAT_PING_INTERVAL (${ping}s): ` +
        'healthy clients that send nothing are closed before they are pinged. Set the idle time above the ping interval.',
    );
  }
  return doubts;
}

function unknownOptions(options: RealtimeOptions): string[] {
  return Object.keys(options)
    .filter((name) => name !== 'envFile' && !Object.hasOwn(SETTINGS, name))
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
