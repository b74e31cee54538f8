/** `npm run docs:settings`: writes `.env.example` and `docs/settings.md` from the built settings table. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { SETTINGS } from '../libs/realtime/dist/esm/settings/options.js';
import { envExample, settingsPage } from './settings-docs.mjs';

const root = new URL('../', import.meta.url);

mkdirSync(new URL('docs/', root), { recursive: true });
writeFileSync(new URL('.env.example', root), envExample(SETTINGS));
writeFileSync(new URL('docs/settings.md', root), settingsPage(SETTINGS));
console.log('Written: .env.example, docs/settings.md');
