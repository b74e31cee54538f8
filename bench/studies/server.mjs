/** The application of the soak and deploy benchmarks, in a process of its own: an echo gateway on the built library. */
import 'reflect-metadata';
import { Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { WebSocketGateway } from '@nestjs/websockets';
import { RealtimeModule, RealtimeServer } from 'nestjs-realtime';

class EchoGateway {
  onMessage(connection, message) {
    connection.send(message.text());
  }
}
WebSocketGateway({ path: '/ws' })(EchoGateway);
class AppModule {}
Module({ imports: [RealtimeModule.forRoot({ envFile: false })], providers: [EchoGateway] })(AppModule);

const app = await NestFactory.create(AppModule, { logger: ['error'] });
process.on('message', async ({ id, withTimes }) => {
  globalThis.gc?.();
  const { heapUsed, external, rss } = process.memoryUsage();
  const resources = {};
  for (const name of process.getActiveResourcesInfo()) resources[name] = (resources[name] ?? 0) + 1;
  const listeners = process.eventNames().reduce((sum, name) => sum + process.listenerCount(name), 0);
  process.send({
    id,
    stats: await app.get(RealtimeServer).stats(),
    memory: { heapUsed, external, rss },
    resources,
    listeners,
    // When each open connection was opened, in milliseconds since 1970
    openedAt: withTimes && [...app.get(RealtimeServer).connections.values()].map(({ openedAt }) => openedAt),
  });
});
process.channel.unref();
for (;;) {
  try {
    await app.listen(Number(process.env.PORT ?? 0), '127.0.0.1');
    break;
  } catch (error) {
    // The process before this one may hold the port for a moment longer
    if (error.code !== 'EADDRINUSE') throw error;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
process.send({ port: app.getHttpServer().address().port });
