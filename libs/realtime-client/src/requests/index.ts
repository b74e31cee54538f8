export { openPolling } from './polling.js';
export { openSse } from './sse.js';
