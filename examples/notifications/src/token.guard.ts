import { type CanActivate, type ExecutionContext, Injectable } from '@nestjs/common';
import { type Account, Tokens } from './tokens.js';

/** Lets in requests with `Authorization: Bearer …`, and puts the account on the request. */
@Injectable()
export class TokenGuard implements CanActivate {
  constructor(private readonly tokens: Tokens) {}

  async canActivate(context: ExecutionContext): Promise<boolean> {
    const request = context.switchToHttp().getRequest<{ headers: { authorization?: string }; user?: Account }>();
    request.user = await this.tokens.verify(request.headers.authorization?.replace(/^Bearer /, ''));
    return true;
  }
}
