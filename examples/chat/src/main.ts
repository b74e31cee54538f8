import { NestFactory } from '@nestjs/core';
import type { NestExpressApplication } from '@nestjs/platform-express';
import { RealtimeSettings } from 'nestjs-realtime';
import { AppModule } from './app.module.js';
import { setUp } from './set-up.js';

const app = await NestFactory.create<NestExpressApplication>(AppModule);
setUp(app);
const settings = app.get(RealtimeSettings);
await app.listen(settings.listenPort, settings.listenIp);
console.log(`Listening on ${await app.getUrl()}`);
