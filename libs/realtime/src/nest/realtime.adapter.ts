import { Inject, Injectable } from '@nestjs/common';
import { WsAdapter } from '@nestjs/platform-ws';
import { OptionsError } from '../errors.js';
import type { Message } from '../message.js';
import { RealtimeServer } from '../server.js';
import { UNANSWERED } from './messages/message-router.js';

/**
 * Makes `@WebSocketGateway()` classes run on this module's engine with no line in `main.ts`. Nest asks it for one
 * server per port and path and cannot say for whom, so it binds nothing itself: gateways are found and bound by
 * RealtimeLifecycle. A gateway that names a port of its own stays on Nest's WsAdapter.
 */
@Injectable()
export class RealtimeAdapter extends WsAdapter {
  private readonly defaultParser: unknown;

  constructor(@Inject(RealtimeServer) private readonly server: RealtimeServer) {
    super();
    this.defaultParser = this.messageParser;
  }

  /**
   * Reads a message with the application's message parser if it set one (`setMessageParser`), else as JSON.
   *
   * @returns undefined when it cannot be read; UNANSWERED when the application's parser gave nothing for it
   */
  parse(message: Message): unknown {
    try {
      if (this.messageParser === this.defaultParser) return message.json();
      return this.messageParser((message.isBinary ? message.bytes() : message.text()) as never) || UNANSWERED;
    } catch {
      return undefined;
    }
  }

  /** @throws OptionsError for a namespace, which only Socket.IO has */
  override create(port: number, options?: Record<string, unknown>): unknown {
    if (port !== 0) return super.create(port, options as never);
    if (options?.namespace) {
      throw new OptionsError(
        `A gateway has the namespace ${String(options.namespace)}, which only Socket.IO knows: use { path } instead`,
      );
    }
    return this.server;
  }

  override bindClientConnect(server: unknown, callback: (...args: unknown[]) => void): void {
    if (server !== this.server) super.bindClientConnect(server as never, callback as never);
  }

  override async close(server: unknown): Promise<void> {
    if (server !== this.server) await super.close(server as never);
  }
}
