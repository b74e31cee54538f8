import { type Connect, connectWith } from './connect.js';

// Connecting
/** {@inheritDoc Connect} */
export const connect: Connect = (url, options) => connectWith(() => import('./requests/index.js'))(url, options);
export type { Connect } from './connect.js';
export { RealtimeSocket } from './socket.js';
export type { EmitOptions, Meta, RequestOptions } from './socket.js';
export { stream } from './stream.js';
export type { StreamOptions } from './stream.js';
export type { ConnectOptions } from './options.js';
export type { QueueOptions } from './session.js';
export type { TokenReason, TokenSource } from './token.js';
export type { WebSocketClass, WebSocketLike } from './environment.js';
export type { Transport } from './wire.js';

// State
export type { State } from './state.js';

// Rooms
export { Room } from './rooms.js';
export type { Gap, GapReason, Present, RoomEvents } from './rooms.js';

// Errors
export { ClientError, RequestError, UnauthorizedError } from './errors.js';
export type { ErrorCode } from './errors.js';

// Contract
export type {
  Answer,
  AnyContract,
  ClientEvent,
  Contract,
  ExceptionData,
  InputArgs,
  OwnEvents,
  RequestName,
  ServerEvent,
  ServerEvents,
  StreamItem,
  StreamName,
} from './contract.js';
