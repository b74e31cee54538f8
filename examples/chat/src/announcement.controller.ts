import { Body, Controller, HttpCode, Post, UseGuards } from '@nestjs/common';
import { RealtimeServer } from 'nestjs-realtime';
import { LoggedIn } from './logged-in.guard.js';

/** Pushes from outside the gateway, as a job or an event listener would. */
@Controller('announcements')
@UseGuards(LoggedIn)
export class AnnouncementController {
  constructor(private readonly server: RealtimeServer) {}

  @Post()
  @HttpCode(204)
  async announce(@Body('text') text: unknown): Promise<void> {
    await this.server.toEveryone('/ws').emit('announcement', { text: String(text) });
  }
}
