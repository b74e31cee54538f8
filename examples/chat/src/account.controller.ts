import { BadRequestException, Body, Controller, HttpCode, Post, Session } from '@nestjs/common';
import { RealtimeServer } from 'nestjs-realtime';
import type { Visitor } from './logged-in.guard.js';

@Controller()
export class AccountController {
  constructor(private readonly server: RealtimeServer) {}

  /** Logs in; a real application checks a password first. */
  @Post('login')
  @HttpCode(204)
  login(@Session() visitor: Visitor, @Body('name') name: unknown): void {
    if (typeof name !== 'string' || !/^\S.{0,38}\S$/.test(name)) {
      throw new BadRequestException('A name has 2 to 40 characters');
    }
    visitor.user = { id: name };
  }

  /** Logs out on the page and in every tab that has a connection. */
  @Post('logout')
  @HttpCode(204)
  async logout(@Session() visitor: Visitor): Promise<void> {
    const { user } = visitor;
    visitor.user = undefined;
    if (user) await this.server.toUser(user.id).disconnect(4501, 'logged out');
  }
}
