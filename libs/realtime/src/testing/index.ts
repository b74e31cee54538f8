export { createTestApp, TestApp } from './test-app.js';
export type { TestAppOptions } from './test-app.js';
export { TestClient } from './test-client.js';
export type { ConnectOptions, RawClient } from './test-client.js';
export type { Rejection } from './mailbox.js';
export type { UntilOptions } from './waiting.js';
export type { ClientEnd, Refusal } from './wires/wire.js';
export { FakeConnection, fakeHandshake, fakeMessage } from './fakes.js';
export type { FakeConnectionParts, FakeHandshakeParts } from './fakes.js';
