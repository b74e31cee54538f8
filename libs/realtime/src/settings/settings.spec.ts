import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { OptionsError } from '../errors.js';
import { type RealtimeOptions, type SettingName, SETTINGS } from './options.js';
import { RealtimeSettings } from './settings.js';

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'realtime-settings-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

/** Writes an env file. @returns its path */
function envFile(text: string, name = 'test.env'): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

/** Resolves settings from these places and no others. */
function from(options: object = {}, environment: Record<string, string> = {}, file?: string): RealtimeSettings {
  const source = file === undefined ? false : envFile(file);
  return RealtimeSettings.from({ envFile: source, ...options } as RealtimeOptions, environment);
}

/** Returns the problems that stop the boot. */
function problems(options: object = {}, environment: Record<string, string> = {}, file?: string): readonly string[] {
  try {
    from(options, environment, file);
  } catch (error) {
    if (error instanceof OptionsError) return error.problems;
    throw error;
  }
  return [];
}

describe('precedence', () => {
  it('takes the default of a setting that is not given', () => {
    const settings = from();
    for (const name of Object.keys(SETTINGS) as SettingName[]) {
      expect([name, settings[name]]).toEqual([name, SETTINGS[name].fallback]);
      expect([name, settings.sourceOf(name)]).toEqual([name, 'default']);
    }
    expect(settings.warnings).toEqual([]);
  });

  it('lets code win over the environment, the environment over the file, the file over the default', () => {
    const file = 'REALTIME_PATH=/file\nREALTIME_MAX_CONNECTIONS=1\nREALTIME_CLOSE_TIMEOUT=1';
    const environment = { REALTIME_PATH: '/env', REALTIME_MAX_CONNECTIONS: '2' };
    const settings = from({ path: '/code' }, environment, file);
    expect([settings.path, settings.sourceOf('path')]).toEqual(['/code', 'code']);
    expect([settings.maxConnections, settings.sourceOf('maxConnections')]).toEqual([2, 'env']);
    expect([settings.closeTimeout, settings.sourceOf('closeTimeout')]).toEqual([1, '.env']);
    expect([settings.listenPort, settings.sourceOf('listenPort')]).toEqual([3000, 'default']);
  });

  it('lets a value in code win even if it is false, 0 or empty', () => {
    const environment = {
      REALTIME_ENABLED: 'true',
      REALTIME_HEARTBEAT_PING_INTERVAL: '5',
      REALTIME_ALLOWED_ORIGINS: 'https://a.example',
    };
    const settings = from({ enabled: false, heartbeatPingInterval: 0, allowedOrigins: [] }, environment);
    expect(settings).toMatchObject({ enabled: false, heartbeatPingInterval: 0, allowedOrigins: [] });
  });

  it('treats undefined in code as not given', () => {
    expect(from({ path: undefined }, { REALTIME_PATH: '/env' }).path).toBe('/env');
  });

  it.each(['', '  '])('treats a variable with the text "%s" as not set', (text) => {
    const settings = from({}, { REALTIME_PATH: text, REALTIME_MAX_CONNECTIONS: text }, 'REALTIME_PATH=/file');
    expect([settings.path, settings.maxConnections]).toEqual(['/file', 100_000]);
  });

  it('reads the environment of the process if no other is given', () => {
    process.env['REALTIME_PATH'] = '/process';
    try {
      expect(RealtimeSettings.from({ envFile: false }).path).toBe('/process');
    } finally {
      delete process.env['REALTIME_PATH'];
    }
  });
});

describe('an environment variable', () => {
  it.each([
    ...['true', 'TRUE', '1', 'yes', 'on', ' on '].map((text) => [text, true] as const),
    ...['false', 'False', '0', 'no', 'off'].map((text) => [text, false] as const),
  ])('reads the flag "%s"', (text, expected) => {
    expect(from({}, { REALTIME_COMPRESSION: text }).compression).toBe(expected);
  });

  it('reads numbers, and fractions of seconds', () => {
    const environment = { REALTIME_LISTEN_PORT: ' 8080 ', REALTIME_HEARTBEAT_PING_INTERVAL: '0.25' };
    expect(from({}, environment)).toMatchObject({ listenPort: 8080, heartbeatPingInterval: 0.25 });
  });

  it('reads one of a few words in any case', () => {
    expect(from({}, { REALTIME_RATE_LIMIT: 'Close' }).rateLimit).toBe('close');
  });

  it('reads a list with spaces and empty items', () => {
    const text = ' https://a.example , https://*.b.example:8443,,null ';
    const expected = ['https://a.example', 'https://*.b.example:8443', 'null'];
    expect(from({}, { REALTIME_ALLOWED_ORIGINS: text }).allowedOrigins).toEqual(expected);
  });

  it.each(['127.0.0.1', '0.0.0.0', '::', '::1', 'fe80::1'])('accepts the listen address %s', (text) => {
    expect(from({}, { REALTIME_LISTEN_IP: text }).listenIp).toBe(text);
  });

  it('accepts the lowest and the highest value of a setting', () => {
    const low = { listenPort: 0, handshakeTimeout: 0.001, maxMessageBytes: 1, heartbeatPingInterval: 0 };
    const high = { listenPort: 65_535, handshakeTimeout: 86_400, maxMessageBytes: 2 ** 31 - 1 };
    expect(from(low)).toMatchObject(low);
    expect(from(high)).toMatchObject(high);
  });
});

const SECONDS_OR_OFF = 'seconds, 0 to 86400, fractions allowed, 0 turns it off';
const SECONDS = 'seconds, 0.001 to 86400, fractions allowed';
const BYTES = 'a whole number of bytes, 1 to 2147483647';
const FLAG = 'true or false (also 1/0, yes/no, on/off)';
const ADDRESS = 'an IPv4 or IPv6 address, such as 127.0.0.1, 0.0.0.0 or ::';
const PORT = SETTINGS.listenPort.allowed;
const PATH = 'a path that starts with /, without spaces, ? or #';
const ORIGINS = 'a comma-separated list of origins: https://app.example.com, https://*.example.com, null, or * for any';

describe('a value that is not allowed', () => {
  it.each([
    ['REALTIME_ENABLED', 'maybe', '"maybe"', FLAG],
    ['REALTIME_COMPRESSION', '2', '"2"', FLAG],
    ['REALTIME_LISTEN_IP', 'localhost', '"localhost"', ADDRESS],
    ['REALTIME_LISTEN_IP', '256.0.0.1', '"256.0.0.1"', ADDRESS],
    ['REALTIME_LISTEN_IP', '127.0.0.1:3000', '"127.0.0.1:3000"', ADDRESS],
    ['REALTIME_LISTEN_PORT', '65536', '65536', PORT],
    ['REALTIME_LISTEN_PORT', '-1', '-1', PORT],
    ['REALTIME_LISTEN_PORT', '80.5', '80.5', PORT],
    ['REALTIME_LISTEN_PORT', 'http', '"http"', PORT],
    ['REALTIME_PATH', 'ws', '"ws"', PATH],
    ['REALTIME_PATH', '/a b', '"/a b"', PATH],
    ['REALTIME_PATH', '/a?b', '"/a?b"', PATH],
    ['REALTIME_PATH', '/a#b', '"/a#b"', PATH],
    ['REALTIME_HEARTBEAT_PING_INTERVAL', '-0.1', '-0.1', SECONDS_OR_OFF],
    ['REALTIME_HEARTBEAT_IDLE_TIME', '86400.5', '86400.5', SECONDS_OR_OFF],
    ['REALTIME_HEARTBEAT_PING_INTERVAL', 'soon', '"soon"', SECONDS_OR_OFF],
    ['REALTIME_HEARTBEAT_PING_INTERVAL', '25s', '"25s"', SECONDS_OR_OFF],
    ['REALTIME_HEARTBEAT_PING_INTERVAL', 'NaN', '"NaN"', SECONDS_OR_OFF],
    ['REALTIME_HANDSHAKE_TIMEOUT', '0', '0', SECONDS],
    ['REALTIME_MAX_MESSAGE_BYTES', '0', '0', BYTES],
    ['REALTIME_MAX_MESSAGE_BYTES', '2147483648', '2147483648', BYTES],
    ['REALTIME_MAX_MESSAGE_BYTES', '1.5', '1.5', BYTES],
    ['REALTIME_MAX_MESSAGE_BYTES', '1MB', '"1MB"', BYTES],
    ['REALTIME_MAX_MESSAGE_RATE', '-1', '-1', 'a whole number of messages per second, 0 (no limit) to 2147483647'],
    ['REALTIME_MAX_MESSAGE_RATE', '0.5', '0.5', 'a whole number of messages per second, 0 (no limit) to 2147483647'],
    ['REALTIME_RATE_LIMIT', 'ignore', '"ignore"', 'drop, close'],
    ['REALTIME_QUERY_TOKEN', 'a b', '"a b"', 'the name of a query parameter: letters, digits, _ . -'],
    ['REALTIME_ALLOWED_ORIGINS', 'app.example.com', '["app.example.com"]', ORIGINS],
    ['REALTIME_ALLOWED_ORIGINS', 'https://a.example/', '["https://a.example/"]', ORIGINS],
    ['REALTIME_ALLOWED_ORIGINS', 'https://a.example,*.b', '["https://a.example","*.b"]', ORIGINS],
  ])('names a value that is not allowed in the environment: %s=%s', (name, text, shown, allowed) => {
    const line = `${name}: ${shown} is not allowed; expected ${allowed}`;
    expect(problems({}, { [name]: text })).toEqual([line]);
    expect(() => from({}, { [name]: text })).toThrow(new OptionsError(line));
  });

  it('names the env file when a value in it is not allowed', () => {
    const line = `REALTIME_PATH (in the env file): "ws" is not allowed; expected ${PATH}`;
    expect(problems({}, {}, 'REALTIME_PATH=ws')).toEqual([line]);
  });

  it.each([
    ['listenPort', '3000', '"3000"', PORT],
    ['enabled', 'true', '"true"', FLAG],
    ['path', null, 'null', PATH],
    ['path', 7, '7', PATH],
    ['heartbeatPingInterval', true, 'true', SECONDS_OR_OFF],
    ['heartbeatPingInterval', NaN, 'NaN', SECONDS_OR_OFF],
    ['heartbeatPingInterval', Infinity, 'Infinity', SECONDS_OR_OFF],
    ['maxMessageBytes', 10n, '10', BYTES],
    ['allowedOrigins', 'https://a.example', '"https://a.example"', ORIGINS],
    ['allowedOrigins', [7], '[7]', ORIGINS],
  ])('names a value that is not allowed in code: %s: %p', (name, value, shown, allowed) => {
    const line = `forRoot({ ${name} }): ${shown} is not allowed; expected ${allowed}`;
    expect(problems({ [name]: value })).toEqual([line]);
  });

  it('names a value in code that cannot be written as JSON', () => {
    const cycle: { self?: unknown } = {};
    cycle.self = cycle;
    for (const path of [cycle, () => '/ws', Symbol('ws')]) expect(problems({ path })).toHaveLength(1);
  });

  it('lists all problems at once', () => {
    const found = problems({ maxConnections: 0, pathh: '/x' }, { REALTIME_LISTEN_PORT: 'x' }, 'REALTIME_PATH=ws');
    expect(found).toEqual([
      'forRoot({ pathh }): there is no such setting; see docs/settings.md',
      `REALTIME_LISTEN_PORT: "x" is not allowed; expected ${PORT}`,
      `REALTIME_PATH (in the env file): "ws" is not allowed; expected ${PATH}`,
      'forRoot({ maxConnections }): 0 is not allowed; expected a whole number of connections, 1 to 10000000',
    ]);
    expect(new OptionsError(found).message).toBe(`4 problems:\n${found.map((line) => `  - ${line}`).join('\n')}`);
  });

  it('ignores a bad value where another place wins', () => {
    expect(problems({ path: '/code' }, { REALTIME_PATH: 'bad' })).toEqual([]);
    expect(problems({}, { REALTIME_PATH: '/env' }, 'REALTIME_PATH=bad')).toEqual([]);
  });
});

describe('the env file', () => {
  let before: string;
  beforeEach(() => {
    before = process.cwd();
    process.chdir(folder);
  });
  afterEach(() => process.chdir(before));

  it('reads .env of the working directory', () => {
    envFile('REALTIME_PATH=/here', '.env');
    expect(RealtimeSettings.from({}, {}).path).toBe('/here');
  });

  it('starts without a .env file', () => {
    expect(RealtimeSettings.from({}, {}).path).toBe('/ws');
  });

  it('refuses an envFile that does not exist', () => {
    const path = join(folder, 'nowhere.env');
    const read = () => RealtimeSettings.from({ envFile: path }, {});
    expect(read).toThrow(OptionsError);
    expect(read).toThrow(`envFile: "${path}" cannot be read (ENOENT: no such file or directory, open '${path}')`);
  });

  it('refuses a .env that is a directory', () => {
    mkdirSync('.env');
    expect(() => RealtimeSettings.from({}, {})).toThrow(/^envFile: "\.env" cannot be read \(EISDIR/);
  });

  it('reads no file if envFile is false', () => {
    envFile('REALTIME_PATH=/here', '.env');
    expect(RealtimeSettings.from({ envFile: false }, {}).path).toBe('/ws');
  });

  it.each([
    ['quotes', 'REALTIME_PATH="/live"'],
    ['a comment', '# path\nREALTIME_PATH=/live # the path'],
    ['spaces', '  REALTIME_PATH = /live  '],
    ['export', 'export REALTIME_PATH=/live'],
    ['line ends of Windows', 'REALTIME_ENABLED=true\r\nREALTIME_PATH=/live\r\n'],
    ['the byte order mark of Windows', '\ufeffREALTIME_PATH=/live\n'],
  ])('reads an env file with %s', (_name, text) => {
    expect(from({}, {}, text).path).toBe('/live');
  });

  it('leaves the environment of the process as it is', () => {
    envFile('REALTIME_PATH=/here', '.env');
    RealtimeSettings.from({});
    expect(process.env['REALTIME_PATH']).toBeUndefined();
  });
});

describe('heartbeat times', () => {
  it.each([
    ['nothing', {}, 60, 15],
    ['the idle time alone', { idle: 600 }, 600, 300],
    ['the check interval alone', { check: 60 }, 120, 60],
    ['both', { idle: 600, check: 60 }, 600, 60],
    ['both, with a check that is too rare', { idle: 10, check: 60 }, 10, 5],
    ['both, with the check at half', { idle: 10, check: 5 }, 10, 5],
    ['an idle time of 0', { idle: 0 }, 0, 0],
    ['an idle time of 0 and a check', { idle: 0, check: 10 }, 0, 0],
    ['a check interval of 0', { check: 0 }, 60, 30],
    ['an idle time and a check interval of 0', { idle: 10, check: 0 }, 10, 5],
    ['fractions', { idle: 0.5 }, 0.5, 0.25],
  ])(
    'derives heartbeat times as Swoole does from %s',
    (_name, given: { idle?: number; check?: number }, idle, check) => {
      const inCode = from({ heartbeatIdleTime: given.idle, heartbeatCheckInterval: given.check });
      expect([inCode.heartbeatIdleTime, inCode.heartbeatCheckInterval]).toEqual([idle, check]);
      const variables = {
        REALTIME_HEARTBEAT_IDLE_TIME: String(given.idle ?? ''),
        REALTIME_HEARTBEAT_CHECK_INTERVAL: String(given.check ?? ''),
      };
      const inEnv = from({}, variables);
      expect([inEnv.heartbeatIdleTime, inEnv.heartbeatCheckInterval]).toEqual([idle, check]);
    },
  );

  it('reports a heartbeat time that follows from the other as derived', () => {
    expect(from({ heartbeatIdleTime: 600 }).sourceOf('heartbeatCheckInterval')).toBe('derived');
    expect(from({ heartbeatCheckInterval: 60 }).sourceOf('heartbeatIdleTime')).toBe('derived');
    expect(from({ heartbeatCheckInterval: 60 }).sourceOf('heartbeatCheckInterval')).toBe('code');
  });

  it('keeps heartbeat times that are set in different places', () => {
    const settings = from({ heartbeatIdleTime: 600 }, { REALTIME_HEARTBEAT_CHECK_INTERVAL: '60' });
    expect([settings.heartbeatIdleTime, settings.heartbeatCheckInterval]).toEqual([600, 60]);
  });
});

describe('the settings in force', () => {
  it('freezes the settings and their lists', () => {
    const settings = from({ allowedOrigins: ['https://a.example'] });
    expect(Object.isFrozen(settings)).toBe(true);
    expect(() => Object.assign(settings, { path: '/other' })).toThrow(TypeError);
    expect(() => (settings.allowedOrigins as string[]).push('*')).toThrow(TypeError);
  });

  it('copies the list that it is given', () => {
    const origins = ['https://a.example'];
    const settings = from({ allowedOrigins: origins });
    origins.push('*');
    expect(settings.allowedOrigins).toEqual(['https://a.example']);
    expect(Object.isFrozen(origins)).toBe(false);
  });

  it('copies the lists of the defaults', () => {
    expect(from().allowedOrigins).not.toBe(SETTINGS.allowedOrigins.fallback);
    expect(Object.isFrozen(SETTINGS.allowedOrigins.fallback)).toBe(false);
  });
});

describe('a warning', () => {
  it('warns of REALTIME_ variables that do not exist, in the environment and in the file', () => {
    const { warnings } = from({}, { REALTIME_PAHT: '/x', OTHER: '1' }, 'REALTIME_PORT=1\nREALTIME_PAHT=/y\nPORT=2');
    expect(warnings).toEqual([
      'REALTIME_PAHT is set, but there is no such setting: it has no effect.',
      'REALTIME_PORT is set, but there is no such setting: it has no effect.',
    ]);
  });

  it.each([
    [0, 'off'],
    [60, '60s'],
    [90, '90s'],
  ])('warns that a ping interval of %d does not keep connections alive behind a proxy', (ping, shown) => {
    expect(from({ heartbeatPingInterval: ping, heartbeatIdleTime: 600 }).warnings).toEqual([
      `Heartbeat pings are ${shown}: a proxy that cuts silent connections after 60s, the default of nginx and others, will cut quiet clients. ` +
        'Set REALTIME_HEARTBEAT_PING_INTERVAL below 60.',
    ]);
  });

  it.each([
    [25, 25],
    [30, 10],
  ])('warns that with pings every %ds an idle time of %ds closes healthy clients', (ping, idle) => {
    expect(from({ heartbeatPingInterval: ping, heartbeatIdleTime: idle }).warnings).toEqual([
      `REALTIME_HEARTBEAT_IDLE_TIME (${idle}s) is not above REALTIME_HEARTBEAT_PING_INTERVAL (${ping}s): ` +
        'healthy clients that send nothing are closed before they are pinged. Set the idle time above the ping interval.',
    ]);
  });

  it('does not warn of an idle time that is off', () => {
    expect(from({ heartbeatIdleTime: 0 }).warnings).toEqual([]);
  });
});

describe('several nodes', () => {
  const REDIS = { redisUrl: 'redis://user:secret@localhost', app: 'shop' };

  it('is off by default, and REALTIME_REDIS_URL or an instance of ioredis turns it on', () => {
    expect(from().broker).toBe('memory');
    expect(from({ app: 'shop' }, { REALTIME_REDIS_URL: 'redis://localhost' }).broker).toBe('redis');
    const settings = from({ app: 'shop', redis: { isCluster: false } });
    expect([settings.broker, settings.sourceOf('broker')]).toEqual(['redis', 'derived']);
  });

  it('stays on one node when the broker is named, whatever else is set', () => {
    expect(from({ ...REDIS, broker: 'memory' }).broker).toBe('memory');
  });

  it.each([
    [{ broker: 'redis', app: 'shop' }, ['REALTIME_BROKER=redis needs REALTIME_REDIS_URL']],
    [{ redisUrl: 'redis://localhost' }, ['needs REALTIME_APP, the name that all nodes of the application share']],
    [{ broker: 'redis' }, ['REALTIME_REDIS_URL', 'REALTIME_APP']],
    [
      { ...REDIS, maxMessageBytes: 2_097_153 },
      ['REALTIME_MAX_MESSAGE_BYTES is 2097153', 'raise REALTIME_MAX_BROKER_FRAME_BYTES to 2162689'],
    ],
  ] as const)('refuses %j', (options, words) => {
    expect(() => from(options)).toThrow(OptionsError);
    for (const word of words) expect(() => from(options)).toThrow(word);
  });

  it('accepts messages of any length on one node', () => {
    expect(from({ maxMessageBytes: 100_000_000 }).maxMessageBytes).toBe(100_000_000);
  });

  it('never repeats a secret', () => {
    expect(() => from({ ...REDIS, redisUrl: 17 as never })).toThrow('the value is not allowed');
    const bad = () => from(REDIS, { REALTIME_CLUSTER_KEYS: 'short' });
    expect(bad).toThrow('REALTIME_CLUSTER_KEYS: the value is not allowed; expected one key of at least 32 bytes');
    expect(bad).not.toThrow('short');
  });

  it('reads one key, or two', () => {
    const [one, two] = ['a'.repeat(32), 'b'.repeat(32)];
    expect(from(REDIS, { REALTIME_CLUSTER_KEYS: ` ${one} , ${two}` }).clusterKeys).toEqual([one, two]);
    expect(() => from(REDIS, { REALTIME_CLUSTER_KEYS: [one, two, one].join() })).toThrow(OptionsError);
  });
});
