export { openPolling as polling } from './polling.js';
export { openSse as sse } from './sse.js';
