import { Module } from '@nestjs/common';
import { RealtimeModule } from 'nestjs-realtime';
import { PagesController } from './pages.controller.js';
import { PushController } from './push.controller.js';
import { LOBBY, WebSocketService } from './websocket.service.js';

@Module({
  imports: [
    RealtimeModule.forRoot({
      rooms: { [LOBBY]: { history: { size: 200, age: 3600 }, presence: { events: true } } },
      users: { history: { size: 50, age: 3600 } },
    }),
  ],
  controllers: [PagesController, PushController],
  providers: [WebSocketService],
})
export class AppModule {}
