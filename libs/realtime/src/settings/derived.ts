/** Settings that follow from others, and what is not allowed, or probably not meant, in combination. */
import { OptionsError } from '../errors.js';
import { workerPlace } from '../workers/place.js';
import { defaultApp, defaultFolder } from './app-name.js';
import type { RealtimeOptions, SettingName, SettingValues } from './options.js';

/** Where a value came from. Code wins over the environment, the environment over the file, the file over the default. */
export type SettingSource = 'code' | 'env' | '.env' | 'default' | 'derived';

export type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/**
 * Swoole's rules: if only the check interval is set, the idle time is twice as long; if only the idle time is set, the
 * check interval is half of it. A check interval of 0, or of more than half of the idle time, becomes half of it.
 */
export function deriveHeartbeat(values: Mutable<SettingValues>, sources: Map<SettingName, SettingSource>): void {
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

/** @returns settings that are allowed but probably not meant, one line each */
export function doubts({ heartbeatPingInterval: ping, heartbeatIdleTime: idle }: SettingValues): string[] {
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

/** What a frame between nodes has beside the message in it. */
const FRAME_OVERHEAD = 65_536;

/**
 * `REALTIME_REDIS_URL`, or an instance of ioredis, implies the broker `redis`; `nestjs-realtime/workers` implies `workers`.
 *
 * @throws OptionsError when something is missing, or a message would not fit into a frame between nodes
 */
export function deriveCluster(
  values: Mutable<SettingValues>,
  sources: Map<SettingName, SettingSource>,
  { redis }: RealtimeOptions,
  environment: Readonly<Record<string, string | undefined>>,
): void {
  const derive = <K extends SettingName>(name: K, value: SettingValues[K]) => {
    values[name] = value as Mutable<SettingValues>[K];
    sources.set(name, 'derived');
  };
  if (sources.get('broker') === 'default') {
    if (values.redisUrl || redis) derive('broker', 'redis');
    else if (workerPlace(environment)) derive('broker', 'workers');
  }
  if (values.broker === 'workers') {
    if (!values.app) derive('app', defaultApp(process.argv[1]));
    if (!values.workersFolder) derive('workersFolder', defaultFolder(values.app));
  }
  const problems = clusterProblems(values, Boolean(redis));
  if (sources.get('workers') === 'code')
    problems.push('forRoot({ workers }) has no effect: set REALTIME_WORKERS in the environment or in .env');
  if (problems.length > 0) throw new OptionsError(problems);
}

function clusterProblems(values: SettingValues, isPassed: boolean): string[] {
  const { broker, redisUrl, app, maxBrokerFrameBytes, maxMessageBytes, maxWorkerBytes } = values;
  if (broker === 'memory') return [];
  const problems: string[] = [];
  if (broker === 'redis' && !redisUrl && !isPassed) problems.push('REALTIME_BROKER=redis needs REALTIME_REDIS_URL');
  if (!app) problems.push('REALTIME_BROKER=redis needs REALTIME_APP, the name that all nodes of the application share');
  const max = maxBrokerFrameBytes - FRAME_OVERHEAD;
  if (maxMessageBytes > max) {
    problems.push(
      `REALTIME_MAX_MESSAGE_BYTES is ${maxMessageBytes}, but a message between nodes may have ${max} bytes: raise REALTIME_MAX_BROKER_FRAME_BYTES to ${maxMessageBytes + FRAME_OVERHEAD}`,
    );
  }
  if (broker === 'workers' && maxWorkerBytes < 2 * maxBrokerFrameBytes) {
    problems.push(
      `REALTIME_MAX_WORKER_BYTES is ${maxWorkerBytes}, and has to be at least twice REALTIME_MAX_BROKER_FRAME_BYTES, which is ${maxBrokerFrameBytes}`,
    );
  }
  return problems;
}
