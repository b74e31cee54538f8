import { Logger } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { RealtimeSettings } from 'nestjs-realtime';
import { AppModule } from './app.module.js';

const app = await NestFactory.create(AppModule);
const settings = app.get(RealtimeSettings);
await app.listen(settings.listenPort, settings.listenIp);
new Logger('Demo').log(`Open ${await app.getUrl()}/`);
