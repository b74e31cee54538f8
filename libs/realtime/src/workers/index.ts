/**
 * `node --import nestjs-realtime/workers dist/main.js`: this process starts workers and never runs the main script itself,
 * because this module does not settle there. In a worker it settles at once.
 */
import { preload } from './preload.js';

await preload(import.meta.url);
