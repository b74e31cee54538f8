/** What the sockets of SSE and polling need of their node, without an engine. */
import { Limits } from '../../../libs/realtime/src/limits/limits.js';
import { SlowConsumers } from '../../../libs/realtime/src/node/slow-consumers.js';
import type { RealtimeOptions } from '../../../libs/realtime/src/settings/options.js';
import { RealtimeSettings } from '../../../libs/realtime/src/settings/settings.js';
import type { RequestNode } from '../../../libs/realtime/src/transports/requests/request-socket.js';
import { RecordingLog } from './recording-log.js';

export function fakeRequestNode(options: RealtimeOptions = {}): RequestNode {
  const settings = RealtimeSettings.from({ envFile: false, ...options }, {});
  const limits = new Limits(new RecordingLog(), settings.limits === 'report');
  return {
    id: 'YMw8vNRo20tX',
    failed: () => () => {},
    settings,
    limits,
    slowConsumers: new SlowConsumers(settings.maxSlowTime, limits, () => {}),
  };
}
