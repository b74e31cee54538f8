import { Injectable, UnauthorizedException } from '@nestjs/common';
import { JwtService } from '@nestjs/jwt';

/** Who a token is for. */
export interface Account {
  readonly sub: string;
  readonly tenant: string;
}

@Injectable()
export class Tokens {
  constructor(private readonly jwt: JwtService) {}

  /** @param seconds how long the token is valid */
  issue({ sub, tenant }: Account, seconds: number): Promise<string> {
    return this.jwt.signAsync({ sub, tenant }, { expiresIn: seconds });
  }

  /** @throws UnauthorizedException for a token that is missing, forged or expired */
  async verify(token: string | undefined): Promise<Account & { readonly exp: number }> {
    try {
      return await this.jwt.verifyAsync(token ?? '');
    } catch {
      throw new UnauthorizedException('The token is not valid');
    }
  }
}
