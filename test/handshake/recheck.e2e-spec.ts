/** The guards of open connections are asked again: who was revoked is out, on every transport. */
import {
  type CanActivate,
  Controller,
  type ExecutionContext,
  HttpCode,
  Injectable,
  Post,
  Session,
  UnauthorizedException,
  UseGuards,
} from '@nestjs/common';
import { WebSocketGateway } from '@nestjs/websockets';
import type { Connection } from 'nestjs-realtime';
import type { TestApp, TestClient } from 'nestjs-realtime/testing';
import { cookieOf, TestStore, useSessions } from '../support/apps/sessions.js';
import { startApp } from '../support/clients/handshake.js';
import { PLATFORMS } from '../support/platforms.js';

const TRANSPORTS = ['websocket', 'sse', 'polling'] as const;
const revoked = new Set<string>();

interface GuardedRequest {
  readonly headers: Record<string, string | undefined>;
  readonly query: Record<string, string>;
  readonly session?: { readonly user?: string };
  user?: { id: string };
}

@Injectable()
class TokenGuard implements CanActivate {
  canActivate(context: ExecutionContext) {
    const request = context.switchToHttp().getRequest<GuardedRequest>();
    context.switchToHttp().getResponse<{ setHeader?(name: string, value: string): void }>().setHeader?.('X-Asked', '1');
    const token = request.headers.authorization?.replace('Bearer ', '');
    if (!token || revoked.has(token)) throw new UnauthorizedException();
    if (token === 'broken' && request.user) throw new TypeError('The database is away');
    request.user = { id: token };
    return true;
  }
}

@Injectable()
class SessionGuard implements CanActivate {
  canActivate(context: ExecutionContext) {
    return context.switchToHttp().getRequest<GuardedRequest>().session?.user !== undefined;
  }
}

@UseGuards(TokenGuard)
@WebSocketGateway({ path: '/tokens', recheck: true })
class TokenGateway {
  onOpen(connection: Connection) {
    connection.send('open');
  }
}

@UseGuards(SessionGuard)
@WebSocketGateway({ path: '/sessions', recheck: true })
class SessionGateway {
  onHandshake(request: { session: unknown }) {
    return { userId: (request.session as { user: string }).user };
  }
  onOpen(connection: Connection) {
    connection.send('open');
  }
}

@Controller()
class Accounts {
  @Post('login')
  @HttpCode(204)
  login(@Session() session: { user?: string }) {
    session.user = 'ann';
  }
}

/** A client that is between two polls is not told its end: its next poll is refused, as any request of it. */
async function expectOut(client: TestClient): Promise<void> {
  const codes = client.transport === 'polling' ? [4501, 1006] : [4501];
  expect(codes).toContain((await client.closed()).code);
}

describe.each(PLATFORMS)('guards of open connections on $platform', ({ adapter }) => {
  const store = new TestStore();
  let app: TestApp;

  beforeAll(async () => {
    app = await startApp(adapter(), {
      providers: [TokenGateway, SessionGateway],
      controllers: [Accounts],
      options: { closeTimeout: 1 },
      configure: (nest) => useSessions(nest, store),
    });
  });
  afterAll(() => app.close());
  beforeEach(() => {
    revoked.clear();
    store.reset();
  });

  it.each(TRANSPORTS)('closes a client whose token was revoked with 4501 (%s)', async (transport) => {
    const options = (token: string) => ({ transport, headers: { Authorization: `Bearer ${token}` } });
    const [ann, bob] = [await app.connect('/tokens', options('ann')), await app.connect('/tokens', options('bob'))];
    expect([await ann.next(), await bob.next()]).toEqual(['open', 'open']);
    await expect(app.server.recheck('ann')).resolves.toEqual({ checked: 1, closed: 0 });
    revoked.add('ann');
    await expect(app.server.recheck('ann')).resolves.toEqual({ checked: 1, closed: 1 });
    await expectOut(ann);
    expect(await app.server.toUser('bob').count()).toBe(1);
    await bob.close();
  });

  it.each(TRANSPORTS)(
    'closes a client whose session was destroyed, and keeps one whose session lives (%s)',
    async (transport) => {
      const answer = await fetch(`${app.url}/login`, { method: 'POST' });
      const headers = { cookie: cookieOf(answer.headers.get('set-cookie')) };
      const ann = await app.connect('/sessions', { transport, headers });
      await ann.next();
      await expect(app.server.recheck('ann')).resolves.toEqual({ checked: 1, closed: 0 });
      store.texts.clear();
      await expect(app.server.recheck('ann')).resolves.toEqual({ checked: 1, closed: 1 });
      await expectOut(ann);
    },
  );

  it('keeps a client whose guard fails for another reason', async () => {
    const client = await app.connect('/tokens', { headers: { Authorization: 'Bearer broken' } });
    await client.next();
    await expect(app.server.recheck('broken')).resolves.toEqual({ checked: 1, closed: 0 });
    expect(await app.server.toUser('broken').count()).toBe(1);
    await client.close();
  });
});

it('has a revoked user out within the interval, on every transport', async () => {
  const app = await startApp(PLATFORMS[0]!.adapter(), {
    providers: [TokenGateway],
    options: { recheckInterval: 0.1, closeTimeout: 1 },
  });
  try {
    revoked.clear();
    const headers = { Authorization: 'Bearer carl' };
    const clients = await Promise.all(TRANSPORTS.map((transport) => app.connect('/tokens', { transport, headers })));
    for (const client of clients) await client.next();
    revoked.add('carl');
    for (const client of clients) await expectOut(client);
  } finally {
    await app.close();
  }
});
