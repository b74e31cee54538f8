// Module
export { RealtimeModule } from './nest/realtime.module.js';
export { RealtimeAdapter } from './nest/realtime.adapter.js';
export { requestIdOf } from './nest/messages/request-id.js';
export { Stream } from './nest/messages/stream.decorator.js';
export { WebSocketGateway } from './nest/gateway-options.js';
export type { RealtimeGatewayOptions } from './nest/gateway-options.js';
export type {
  IoredisInstance,
  RealtimeOptions,
  SettingName,
  SettingValues,
  TransportName,
} from './settings/options.js';
export type { HistoryOptions, RoomOptions, RoomPatterns, RoomSettings, UserOptions } from './settings/room-options.js';
export { RealtimeSettings } from './settings/settings.js';
export type { SettingSource } from './settings/settings.js';

// Hooks
export type { Awaitable } from './awaitable.js';
export type {
  Identity,
  OnAuthenticate,
  OnClose,
  OnDrain,
  OnHandshake,
  OnMessage,
  OnOpen,
  OnPresence,
} from './hooks.js';
export { PresenceChange } from './presence.js';
export type { PresentUser } from './presence.js';
export { CloseInfo } from './close-info.js';
export type { CloseInitiator } from './close-info.js';
export { Connection, ReadyState } from './connection.js';
export type { Contract, DataOf, EmitArgs, EventOf, EventsOf } from './contract.js';
export type { TargetOf, TypedTarget } from './typed-target.js';
export type { ConnectionInfo, JoinOptions } from './connection.js';
export { HandshakeRequest } from './handshake-request.js';
export { bearerToken } from './http/bearer-token.js';
export type { TokenRequest, TokenSources } from './http/bearer-token.js';
export type { Hello } from './http/hello.js';
export type { Position } from './position.js';
export type { Protocols } from './gateway.js';
export { Message } from './message.js';
export type { Payload, PushOptions, RoomPushOptions, SlowPolicy } from './frame.js';
export type { LimitCounts, LimitName } from './limits/limits.js';

// Server
export { RealtimeServer } from './server.js';
export type { NodeInfo } from './server.js';
export { Target } from './target.js';
export type { ClusterStats } from './node/cluster-stats.js';
export type { HistoryItem, HistoryPage, HistoryQuery } from './node/history-page.js';
export type { Replace } from './node/node.js';
export type { AskOptions, Member, Members, Page, Reached, Rechecked } from './question.js';
export type { BrokerStats, HistoryStats, Stats } from './stats.js';

// Errors and codes
export { HandshakeError, MessageError, OptionsError, RealtimeError } from './errors.js';
export { CloseCode, mayReconnect } from 'nestjs-realtime-protocol';
