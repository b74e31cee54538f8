import type { Broker } from '../broker.js';
import { isDevelopment } from '../handshake/origin.js';
import { bytesField } from '../log.js';
import type { FoundGateway, GatewayElsewhere } from './found-gateway.js';
import type { RealtimeSettings } from '../settings/settings.js';
import { workerPlace } from '../settings/worker-place.js';

/** What the application has, as it was found. */
export interface Found {
  readonly gateways: readonly FoundGateway[];
  /** Gateways that name a port of their own. */
  readonly elsewhere: readonly GatewayElsewhere[];
}

/**
 * The gateways that were found and the settings in force as one readable table, for the log at boot; one row a line.
 *
 * @param guardsOf the guards of a gateway, in words
 */
export function bootTable(
  settings: RealtimeSettings,
  { gateways, elsewhere }: Found,
  broker: Broker,
  guardsOf: (gateway: FoundGateway) => string,
): string {
  const served = [
    ...gateways.map((gateway) => servedAt(gateway, settings, guardsOf(gateway))),
    ...elsewhere.map(({ name, port }) => `port ${port} (${name}): on Nest's WsAdapter, without this module`),
  ];
  const rows: [string, string][] = [
    ...(served.length > 0 ? served : ['none: the application has no gateway']).map((text, index): [string, string] => [
      index === 0 ? 'gateways' : '',
      text,
    ]),
    ['heartbeat', heartbeat(settings)],
    ['limits', limits(settings)],
    ['origins', origins(settings)],
    ['compression', settings.compression ? `from ${bytesField(settings.compressionThresholdBytes)}` : 'off'],
    ['shutdown', shutdown(settings)],
    ['broker', brokerRow(broker)],
    ...workerRows(),
  ];
  return rows.map(([name, value]) => `  ${name.padEnd(12)} ${value}`).join('\n');
}

/** One gateway: where it is, its hooks, who decides, and how clients connect. */
function servedAt(gateway: FoundGateway, settings: RealtimeSettings, guards: string): string {
  const { paths, name, hooks, messages, hasHooks } = gateway;
  // As in Nest, a gateway without hooks is not a route of the HTTP application
  const transports = hasHooks ? (gateway.transports ?? settings.transports) : ['websocket'];
  const facts = [
    `hooks ${hooks.join(', ') || 'none'}`,
    ...(messages > 0 ? [`${messages} message methods`] : []),
    `guards ${guards}`,
    ...(hooks.includes('onAuthenticate') ? ['onAuthenticate refuses with UnauthorizedException'] : []),
    `transports ${transports.join(', ')}`,
  ];
  return `${paths.join(', ')} (${name}): ${facts.join('; ')}`;
}

/** Where the other nodes are, how many there are, and whether they can be reached now. */
function brokerRow(broker: Broker): string {
  if (!broker.isShared) return broker.name;
  const others = `other nodes: ${broker.nodes().length}`;
  return `${broker.name}; ${broker.isDegraded ? 'AWAY: this node works alone until it is back' : others}`;
}

/** Which worker of how many this is, where there are several. */
function workerRows(): [string, string][] {
  const place = workerPlace(process.env);
  return place ? [['worker', `${place.number} of ${place.of}, pid ${process.pid}`]] : [];
}

function origins({ allowedOrigins }: RealtimeSettings): string {
  const local = isDevelopment() ? ['localhost on any port (NODE_ENV is not production)'] : [];
  return ['the same origin', ...local, ...allowedOrigins].join(', ');
}

function heartbeat({
  heartbeatPingInterval: ping,
  heartbeatIdleTime: idle,
  heartbeatCheckInterval: check,
}: RealtimeSettings) {
  const pings = ping > 0 ? `ping after ${ping}s of silence` : 'no pings';
  return `${pings}, ${idle > 0 ? `close after ${idle}s, checked every ${check}s` : 'never close'}`;
}

function shutdown({ shutdownDelay: delay, shutdownTimeout: timeout, reconnectSpread: spread }: RealtimeSettings) {
  const first = delay > 0 ? `readiness down ${delay}s before connections are closed` : 'connections are closed at once';
  return `${first}, at most ${timeout}s for them, they come back within ${spread}s`;
}

function limits(settings: RealtimeSettings): string {
  return [
    `${settings.maxConnections} connections`,
    `${bytesField(settings.maxMessageBytes)} per message`,
    `${settings.maxQueuedMessages} messages waiting in`,
    `${bytesField(settings.maxBufferedBytes)} waiting out`,
    `handshake ${settings.handshakeTimeout}s`,
    ...(settings.limits === 'report' ? ['REPORT ONLY: nothing is refused'] : []),
  ].join(', ');
}
