import { transportContract, type TransportCase } from '../contracts/transport.contract.js';
import { PLATFORMS } from '../support/platforms.js';

/** With the clients that applications test with: the contract holds those too. */
const TRANSPORTS: readonly TransportCase[] = (['websocket', 'sse', 'polling'] as const).map((transport) => ({
  transport,
  connect: (app, path, headers) => app.connect(path, { transport, headers }),
}));

for (const platform of PLATFORMS) {
  for (const transport of TRANSPORTS) transportContract(transport, platform);
}
