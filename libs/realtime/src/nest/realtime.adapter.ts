import { Inject, Injectable } from '@nestjs/common';
import { WsAdapter } from '@nestjs/platform-ws';
import type { Message } from '../message.js';
import { RealtimeServer } from '../server.js';

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
   * Reads a message as an envelope, with the application's message parser if it set one (`setMessageParser`).
   *
   * @returns undefined when it is none
   */
  parse(message: Message): unknown {
    try {
      if (this.messageParser === this.defaultParser) return message.json();
      return this.messageParser((message.isBinary ? message.bytes() : message.text()) as never);
    } catch {
      return undefined;
    }
  }

  override create(port: number, options?: Record<string, unknown>): unknown {
    return port === 0 ? this.server : super.create(port, options as never);
  }

  override bindClientConnect(server: unknown, callback: (...args: unknown[]) => void): void {
    if (server !== this.server) super.bindClientConnect(server as never, callback as never);
  }

  override async close(server: unknown): Promise<void> {
    if (server !== this.server) await super.close(server as never);
  }
}
