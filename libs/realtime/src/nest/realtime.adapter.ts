import { Inject, Injectable } from '@nestjs/common';
import { WsAdapter } from '@nestjs/platform-ws';
import { OptionsError } from '../errors.js';
import type { Message } from '../message.js';
import { RealtimeServer } from '../server.js';
import { UNANSWERED } from './messages/message-router.js';

/**
 * Makes `@WebSocketGateway()` classes run on this module's engine without a line in `main.ts`. Nest asks an adapter for
 * one server per port and path and does not say for which gateway, so this adapter binds nothing: RealtimeLifecycle finds
 * and binds the gateways. A gateway without hooks that names a port of its own stays on Nest's WsAdapter.
 */
@Injectable()
export class RealtimeAdapter extends WsAdapter {
  private readonly defaultParser: unknown;

  constructor(@Inject(RealtimeServer) private readonly server: RealtimeServer) {
    super();
    this.defaultParser = this.messageParser;
  }

  /** @internal True until the application sets a parser of its own (`setMessageParser`). */
  get isJson(): boolean {
    return this.messageParser === this.defaultParser;
  }

  /**
   * Reads a message with the application's parser (`setMessageParser`), by default as JSON.
   *
   * @returns undefined when the message cannot be read; UNANSWERED when the application's parser returned nothing
   */
  parse(message: Message): unknown {
    try {
      if (this.isJson) return message.json();
      return this.messageParser(message.isBinary ? message.bytes() : message.text()) || UNANSWERED;
    } catch {
      return undefined;
    }
  }

  /** @throws OptionsError for a namespace, which only Socket.IO has */
  override create(port: number, options?: Parameters<WsAdapter['create']>[1]): unknown {
    if (port !== 0) return super.create(port, options);
    if (options?.namespace) {
      throw new OptionsError(
        `A gateway has the namespace ${options.namespace}, which only Socket.IO knows: use { path } instead`,
      );
    }
    return this.server;
  }

  override bindClientConnect(server: unknown, callback: (...args: unknown[]) => void): void {
    if (server !== this.server) super.bindClientConnect(server, callback);
  }

  override async close(server: unknown): Promise<void> {
    if (server !== this.server) await super.close(server);
  }
}
