/** The platforms that every handshake test runs on. */
import type { AbstractHttpAdapter } from '@nestjs/core';
import { ExpressAdapter } from '@nestjs/platform-express';
import { FastifyAdapter } from '@nestjs/platform-fastify';

export interface PlatformCase {
  readonly platform: 'express' | 'fastify';
  readonly adapter: () => AbstractHttpAdapter;
}

export const PLATFORMS: readonly PlatformCase[] = [
  { platform: 'express', adapter: () => new ExpressAdapter() },
  { platform: 'fastify', adapter: () => new FastifyAdapter() },
];
