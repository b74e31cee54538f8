import { Body, Controller, HttpCode, Post, Req, UnauthorizedException, UseGuards } from '@nestjs/common';
import { RealtimeServer } from 'nestjs-realtime';
import { TokenGuard } from './token.guard.js';
import { type Account, Tokens } from './tokens.js';

/** A real application has a database and hashed passwords. */
const ACCOUNTS: ReadonlyMap<string, Account & { readonly password: string }> = new Map(
  [
    { sub: 'ann', tenant: 'acme', password: 'ann' },
    { sub: 'bob', tenant: 'acme', password: 'bob' },
    { sub: 'eve', tenant: 'globex', password: 'eve' },
  ].map((account) => [account.sub, account]),
);

/** How long a token is valid; a connection ends with its token. */
const TOKEN_SECONDS = 3600;

@Controller()
export class AccountsController {
  constructor(
    private readonly tokens: Tokens,
    private readonly server: RealtimeServer,
  ) {}

  @Post('login')
  @HttpCode(200)
  async login(@Body() body: { name?: string; password?: string }): Promise<{ token: string }> {
    const account = ACCOUNTS.get(String(body.name));
    if (!account || account.password !== body.password) throw new UnauthorizedException('Wrong name or password');
    return { token: await this.tokens.issue(account, TOKEN_SECONDS) };
  }

  /** Closes every tab and device of the account. */
  @Post('logout')
  @HttpCode(204)
  @UseGuards(TokenGuard)
  async logout(@Req() { user }: { user: Account }): Promise<void> {
    await this.server.toUser(user.sub).disconnect(4501, 'logged out');
  }
}
