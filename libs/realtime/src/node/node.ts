/** What a connection knows of the node it lives on. */
import type { CloseInfo } from '../close-info.js';
import type { Heartbeat } from './heartbeat.js';
import type { HookQueueOwner } from '../connections/hook-queue.js';
import type { Hub } from '../hub.js';
import type { Log } from '../log.js';
import type { LiveConnection } from '../connections/live-connection.js';
import type { Message } from '../message.js';
import type { OutboxHost } from '../connections/outbox.js';
import type { RealtimeSettings } from '../settings/settings.js';

/** The node of a connection; the engine is one. */
export interface Host extends HookQueueOwner, OutboxHost {
  readonly settings: RealtimeSettings;
  readonly hub: Hub;
  readonly log: Log;
  readonly heartbeat: Heartbeat;
  /** A message came in. */
  heard(connection: LiveConnection, message: Message): void;
  /** Nothing was heard for the idle time. */
  expired(connection: LiveConnection, silentMs: number): void;
  /** The wire is gone; `onClose` may still have to wait for a running hook. */
  left(connection: LiveConnection, close: CloseInfo): void;
  /** `onClose` has settled. */
  ended(connection: LiveConnection): void;
}
