import { Module } from '@nestjs/common';
import { RealtimeModule } from 'nestjs-realtime';
import { PagesController } from './pages.controller.js';
import { PushController } from './push.controller.js';
import { WebSocketService } from './websocket.service.js';

@Module({
  imports: [RealtimeModule.forRoot()],
  controllers: [PagesController, PushController],
  providers: [WebSocketService],
})
export class AppModule {}
