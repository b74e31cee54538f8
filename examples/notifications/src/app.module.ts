import { Module } from '@nestjs/common';
import { JwtModule } from '@nestjs/jwt';
import { RealtimeModule } from 'nestjs-realtime';
import { AccountsController } from './accounts.controller.js';
import { InvoicesController } from './invoices.controller.js';
import { NotificationsGateway } from './notifications.gateway.js';
import { PagesController } from './pages.controller.js';
import { Tokens } from './tokens.js';

@Module({
  imports: [RealtimeModule.forRoot(), JwtModule.register({ secret: process.env['JWT_SECRET'] ?? 'change me' })],
  controllers: [AccountsController, InvoicesController, PagesController],
  providers: [Tokens, NotificationsGateway],
})
export class AppModule {}
