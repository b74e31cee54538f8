import { transportContract, type TransportCase } from '../contracts/transport.contract.js';
import { PLATFORMS } from '../support/platforms.js';
import { PollingClient, SseClient } from '../support/clients/request-clients.js';

const TRANSPORTS: readonly TransportCase[] = [
  { transport: 'websocket', connect: (app, path, headers) => app.connect(path, { headers }) },
  { transport: 'sse', connect: (app, path, headers) => SseClient.connect(app.url + path, headers) },
  { transport: 'polling', connect: (app, path, headers) => PollingClient.connect(app.url + path, headers) },
];

for (const platform of PLATFORMS) {
  for (const transport of TRANSPORTS) transportContract(transport, platform);
}
