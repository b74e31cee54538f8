import { join } from 'node:path';
import type { NestExpressApplication } from '@nestjs/platform-express';
import session from 'express-session';

const PAGES = join(import.meta.dirname, '../public');

/** What the application needs before it listens; the tests call it too. */
export function setUp(app: NestExpressApplication): void {
  // nginx runs on the same machine: its word on the client's address and on the page's origin counts
  app.set('trust proxy', 'loopback');
  const secret = process.env['SESSION_SECRET'] ?? 'change me';
  app.use(session({ secret, resave: false, saveUninitialized: false, cookie: { sameSite: 'lax' } }));
  app.useStaticAssets(PAGES);
}
