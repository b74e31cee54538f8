import type { SETTINGS } from '../libs/realtime/src/settings/options.js';

/** The text of `.env.example`. */
export function envExample(settings: typeof SETTINGS): string;

/** The text of `docs/settings.md`. */
export function settingsPage(settings: typeof SETTINGS): string;
