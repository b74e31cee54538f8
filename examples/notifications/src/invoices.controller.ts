import { Body, Controller, Post, Req, UseGuards } from '@nestjs/common';
import { RealtimeServer } from 'nestjs-realtime';
import { roomOf } from './notifications.gateway.js';
import { TokenGuard } from './token.guard.js';
import type { Account } from './tokens.js';

@Controller('invoices')
@UseGuards(TokenGuard)
export class InvoicesController {
  private id = 0;

  constructor(private readonly server: RealtimeServer) {}

  /** Creates an invoice; everybody in the tenant is notified, and nobody else. */
  @Post()
  async create(@Req() { user }: { user: Account }, @Body('total') total: number) {
    const invoice = { id: ++this.id, total: Number(total), by: user.sub };
    await this.server.to(roomOf(user.tenant)).emit('invoice.created', invoice);
    return invoice;
  }
}
