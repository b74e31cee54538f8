import { isDevelopment } from '../handshake/origin.js';
import { bytesField } from '../log.js';
import type { RealtimeSettings } from '../settings/settings.js';

/** The settings in force as one readable table, for the log at boot. */
export function bootTable(settings: RealtimeSettings, gateways: readonly Served[], broker: string): string {
  const served = gateways.flatMap(({ paths, name }) => paths.map((path) => `${path} (${name})`)).join(', ');
  const rows: [string, string][] = [
    ['paths', served || 'none: the application has no gateway'],
    ['heartbeat', heartbeat(settings)],
    ['limits', limits(settings)],
    ['origins', origins(settings)],
    ['compression', settings.compression ? `from ${bytesField(settings.compressionThresholdBytes)}` : 'off'],
    ['broker', broker],
  ];
  return ['Realtime is ready', ...rows.map(([name, value]) => `  ${name.padEnd(12)} ${value}`)].join('\n');
}

function origins({ allowedOrigins }: RealtimeSettings): string {
  const local = isDevelopment() ? ['localhost on any port (NODE_ENV is not production)'] : [];
  return ['the same origin', ...local, ...allowedOrigins].join(', ');
}

interface Served {
  readonly paths: readonly string[];
  readonly name: string;
}

function heartbeat({
  heartbeatPingInterval: ping,
  heartbeatIdleTime: idle,
  heartbeatCheckInterval: check,
}: RealtimeSettings) {
  const pings = ping > 0 ? `ping after ${ping}s of silence` : 'no pings';
  return `${pings}, ${idle > 0 ? `close after ${idle}s, checked every ${check}s` : 'never close'}`;
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
