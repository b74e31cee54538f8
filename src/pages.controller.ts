import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { Controller, Get, Header, NotFoundException, Param, StreamableFile } from '@nestjs/common';

/** The folder beside this file, in `src` and in `dist/src`: nest-cli.json copies it there. */
const FOLDER = join(import.meta.dirname, 'public');

const SCRIPT = 'text/javascript; charset=utf-8';
const STYLE = 'text/css; charset=utf-8';
const ASSETS: ReadonlyMap<string, string> = new Map([
  ['chat.css', STYLE],
  ['chat.js', SCRIPT],
  ['connection.js', SCRIPT],
  ['conversation.css', STYLE],
  ['conversation.js', SCRIPT],
  ['elements.js', SCRIPT],
  ['people.css', STYLE],
  ['people.js', SCRIPT],
  ['return.js', SCRIPT],
  ['theme.css', STYLE],
  ['theme.js', SCRIPT],
]);
/** The client as one file for a script tag, so the page needs no bundler. */
const CLIENT = createRequire(import.meta.url).resolve('nestjs-realtime-client/script');

const HTML = 'text/html; charset=utf-8';
const LOCKED = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; connect-src 'self'";
const CHAT_POLICY = `${LOCKED}; script-src 'self'; style-src 'self'; img-src data:`;
const BARE_POLICY = `${LOCKED}; script-src 'unsafe-inline'; img-src data:`;

/** The pages of the demo. */
@Controller()
export class PagesController {
  @Get()
  @Header('Content-Type', HTML)
  @Header('Content-Security-Policy', CHAT_POLICY)
  chat(): Promise<string> {
    return readFile(join(FOLDER, 'index.html'), 'utf8');
  }

  @Get('bare')
  @Header('Content-Type', HTML)
  @Header('Content-Security-Policy', BARE_POLICY)
  bare(): Promise<string> {
    return readFile(join(FOLDER, 'bare.html'), 'utf8');
  }

  @Get('assets/realtime-client.js')
  @Header('Content-Type', SCRIPT)
  @Header('X-Content-Type-Options', 'nosniff')
  client(): Promise<string> {
    return readFile(CLIENT, 'utf8');
  }

  @Get('assets/:name')
  @Header('X-Content-Type-Options', 'nosniff')
  async asset(@Param('name') name: string): Promise<StreamableFile> {
    const type = ASSETS.get(name);
    if (!type) throw new NotFoundException();
    return new StreamableFile(await readFile(join(FOLDER, name)), { type });
  }
}
