import { NestFactory } from '@nestjs/core';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import { RealtimeSettings } from 'nestjs-realtime';
import { AppModule } from './app.module.js';

const app = await NestFactory.create<NestFastifyApplication>(AppModule, new FastifyAdapter());
const settings = app.get(RealtimeSettings);
await app.listen(settings.listenPort, settings.listenIp);
console.log(`Listening on ${await app.getUrl()}`);
