import { Test } from '@nestjs/testing';
import { WebSocketGateway } from '@nestjs/websockets';
import { CloseInfo, Connection, HandshakeRequest, Message, RealtimeModule, RealtimeServer } from 'nestjs-realtime';
import { createTestApp } from 'nestjs-realtime/testing';

@WebSocketGateway({ path: '/ws' })
class Echo {
  constructor(readonly server: RealtimeServer) {}
  closes: CloseInfo[] = [];
  onOpen(c: Connection, r: HandshakeRequest) {
    c.send('Welcome ' + r.query.get('x'));
  }
  async onMessage(c: Connection, m: Message) {
    await this.server.toEveryone().push(m.text());
  }
  onClose(c: Connection, i: CloseInfo) {
    this.closes.push(i);
  }
}

it('works', async () => {
  const ref = await Test.createTestingModule({
    imports: [RealtimeModule.forRoot({ envFile: false })],
    providers: [Echo],
  }).compile();
  const app = await createTestApp(ref, { logger: console });
  const a = await app.connect('/ws?x=1');
  expect(await a.next()).toBe('Welcome 1');
  const b = await app.connect('/ws?x=2');
  b.send('hi');
  expect(await a.next()).toBe('hi');
  console.log(await a.close());
  await expect(app.connect('/nope')).rejects.toMatchObject({ status: 404 });
  console.log(await (await fetch(app.url + '/ws')).text());
  console.log(await app.server.stats(), await app.server.list());
  await app.close();
  console.log(await b.closed(), app.app.get(Echo).closes);
});
