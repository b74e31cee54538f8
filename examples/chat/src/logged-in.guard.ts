import { type CanActivate, type ExecutionContext, Injectable, UnauthorizedException } from '@nestjs/common';

/** What the application keeps in the HTTP session. */
export interface Visitor {
  user?: { id: string };
}

/** Lets in who has logged in: on a controller and, at the handshake, on a gateway. */
@Injectable()
export class LoggedIn implements CanActivate {
  canActivate(context: ExecutionContext): boolean {
    const request = context.switchToHttp().getRequest<{ session: Visitor; user?: Visitor['user'] }>();
    request.user = request.session.user;
    if (!request.user) throw new UnauthorizedException('Log in first');
    return true;
  }
}
