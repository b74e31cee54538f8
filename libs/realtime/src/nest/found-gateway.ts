/** The gateway classes of the application as they were found, and the hooks and options that they may have. */
import type { IncomingMessage } from 'node:http';
import type { Type } from '@nestjs/common';
import type { Connection } from '../connection.js';
import type { SlowPolicy } from '../frame.js';
import type { Protocols } from '../gateway.js';
import type { OnAuthenticate, OnClose, OnDrain, OnHandshake, OnMessage, OnOpen } from '../hooks.js';
import type { TransportName } from '../settings/options.js';
import type { RealtimeGatewayOptions } from './gateway-options.js';

/** The hooks that a gateway class may have. */
export type GatewayHooks = OnHandshake & OnAuthenticate & OnOpen & OnMessage & OnDrain & OnClose;

export type HookName = keyof GatewayHooks;

/** All hooks, in the order in which they run. */
export const HOOKS: readonly HookName[] = [
  'onHandshake',
  'onAuthenticate',
  'onOpen',
  'onMessage',
  'onDrain',
  'onClose',
];

/** The hooks that run once the connection is open. */
export type ConnectionHookName = Exclude<HookName, 'onHandshake' | 'onAuthenticate'>;

/** The lifecycle methods of Nest's own gateways. */
export interface NestHooks {
  handleConnection(client: Connection, request: unknown): unknown;
  handleDisconnect(client: Connection, reason: unknown): unknown;
}

/** What `ws` hands to `verifyClient`. */
export interface VerifyClientInfo {
  readonly origin: string;
  readonly secure: boolean;
  readonly req: IncomingMessage;
}

export type VerifyClientCallback = (
  isAdmitted: boolean,
  status?: number,
  message?: string,
  headers?: Record<string, string>,
) => void;

/** The `verifyClient` option of `ws`: with one parameter it answers by returning, with two by calling back. */
export type VerifyClient = (info: VerifyClientInfo, callback?: VerifyClientCallback) => unknown;

/** The `handleProtocols` option of `ws`. */
export type HandleProtocols = (offered: Set<string>, request: IncomingMessage) => string | false;

/** A gateway class of the application. */
export interface FoundGateway {
  readonly name: string;
  /** The one instance. A request-scoped gateway has an empty one here: it has the methods of the class and no state. */
  readonly instance: Partial<GatewayHooks & NestHooks>;
  /** Present when the gateway is request-scoped, itself or through what it injects. */
  readonly scoped?: { readonly token: Type; readonly id: string; readonly isDurable: boolean };
  /** The module in which Nest looks up its guards, pipes, interceptors and filters. */
  readonly moduleKey: string;
  /** Its paths as clients see them: a gateway with hooks has the global prefix and the version in them. */
  readonly paths: readonly string[];
  /** In the order in which they run; empty for a gateway as Nest has them. */
  readonly hooks: readonly HookName[];
  readonly hasHooks: boolean;
  /** How many `@SubscribeMessage()` methods it has. */
  readonly messages: number;
  readonly middleware: boolean;
  readonly keepContext: boolean;
  readonly recheck: boolean;
  readonly guards: NonNullable<RealtimeGatewayOptions['guards']>;
  readonly slowConsumer?: SlowPolicy;
  readonly transports?: readonly TransportName[];
  readonly protocols?: Protocols;
  readonly verifyClient?: VerifyClient;
}

/** A gateway that names a port of its own: it stays on Nest's WsAdapter. */
export interface GatewayElsewhere {
  readonly name: string;
  readonly port: number;
}
