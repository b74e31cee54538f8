export { createTestApp, TestApp } from './test-app.js';
export type { TestAppOptions } from './test-app.js';
export { TestClient } from './test-client.js';
export type { ConnectOptions, RawClient, Refusal } from './test-client.js';
