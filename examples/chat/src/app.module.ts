import { Module } from '@nestjs/common';
import { RealtimeModule } from 'nestjs-realtime';
import { AccountController } from './account.controller.js';
import { AnnouncementController } from './announcement.controller.js';
import { WebSocketService } from './websocket.service.js';

@Module({
  imports: [RealtimeModule.forRoot()],
  controllers: [AccountController, AnnouncementController],
  providers: [WebSocketService],
})
export class AppModule {}
