/** Readiness for `@nestjs/terminus` on a real application: a load balancer must learn of a shutdown before clients do. */
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { jest } from '@jest/globals';
import { Controller, Get } from '@nestjs/common';
import { HealthCheck, HealthCheckService, TerminusModule } from '@nestjs/terminus';
import { Test } from '@nestjs/testing';
import { WebSocketGateway } from '@nestjs/websockets';
import { type CloseInfo, Connection, RealtimeModule } from 'nestjs-realtime';
import { TestClient } from 'nestjs-realtime/testing';
import { RealtimeHealthIndicator, RealtimeHealthModule } from '../../libs/realtime/src/health/index.js';

jest.setTimeout(30_000);

@Controller()
class HealthController {
  constructor(
    readonly health: HealthCheckService,
    readonly realtime: RealtimeHealthIndicator,
  ) {}

  @Get('ready')
  @HealthCheck()
  ready() {
    return this.health.check([() => this.realtime.isReady('realtime')]);
  }
}

let endHook: () => void;

@WebSocketGateway({ path: '/ws' })
class Gateway {
  async onClose(_connection: Connection, { initiator }: CloseInfo) {
    if (initiator === 'shutdown') await new Promise<void>((resolve) => (endHook = resolve));
  }
}

async function create() {
  const moduleRef = await Test.createTestingModule({
    imports: [
      RealtimeModule.forRoot({ envFile: false }),
      TerminusModule.forRoot({ logger: false }),
      RealtimeHealthModule,
    ],
    controllers: [HealthController],
    providers: [Gateway],
  }).compile();
  return moduleRef.createNestApplication({ logger: false });
}

describe('the readiness', () => {
  it('reports down until the application is ready, up while it runs, and down from the start of a shutdown', async () => {
    const app = await create();
    const realtime = app.get(RealtimeHealthIndicator);
    expect(realtime.isReady('realtime')).toMatchObject({ realtime: { status: 'down' } });
    await app.listen(0, '127.0.0.1');
    const { port } = (app.getHttpServer() as Server).address() as AddressInfo;
    const ask = () => fetch(`http://127.0.0.1:${port}/ready`);
    const client = await TestClient.connect(`ws://127.0.0.1:${port}/ws`);
    const up = await ask();
    expect([up.status, await up.json()]).toMatchObject([
      200,
      { status: 'ok', details: { realtime: { status: 'up', connections: 1, unfinished: 0 } } },
    ]);

    const closing = app.close();
    // When the client receives its close frame the answer has changed already; the server still listens
    expect((await client.closed()).code).toBe(1001);
    const down = await ask();
    expect([down.status, await down.json()]).toMatchObject([503, { error: { realtime: { status: 'down' } } }]);
    endHook();
    await closing;
  });
});
