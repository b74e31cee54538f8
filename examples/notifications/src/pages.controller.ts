import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Controller, Get, Header } from '@nestjs/common';

const FOLDER = join(import.meta.dirname, '../public');

@Controller()
export class PagesController {
  @Get()
  @Header('Content-Type', 'text/html; charset=utf-8')
  page(): Promise<string> {
    return readFile(join(FOLDER, 'index.html'), 'utf8');
  }

  @Get('notifications.js')
  @Header('Content-Type', 'text/javascript; charset=utf-8')
  script(): Promise<string> {
    return readFile(join(FOLDER, 'notifications.js'), 'utf8');
  }
}
