/**
 * Road IN, step 1, and road OUT, step 10: WebSocket (RFC 6455) on `ws`, which owns the handshake's answer, the parser
 * and the protocol's rules. The outbound path is ours: a frame is header and payload in one buffer, made once for all
 * receivers, and all frames of one turn of the event loop leave in one write.
 */
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { WebSocketServer } from 'ws';
import { AnsweredError, HandshakeError } from '../../errors.js';
import { BEARER } from '../../handshake-request.js';
import type { Admission, Open } from '../../handshake/admission.js';
import type { Gate } from '../../handshake/gate.js';
import { writeRefusal } from '../../http/refusal-writer.js';
import { refusal } from '../../http/refusals.js';
import { UpgradeResponse } from '../../http/upgrade-response.js';
import { errorField, stackOf } from '../../log.js';
import type { Node } from '../../node/node.js';
import type { RealtimeSettings } from '../../settings/settings.js';
import type { Transport } from '../../transport.js';
import { Flusher } from './flusher.js';
import { orderedWebSocket } from './ordered.js';
import { Slab } from './slab.js';
import { type SharedByWebSockets, WebSocketSocket } from './socket.js';

export class WebSocketTransport implements Transport {
  readonly name = 'websocket';
  private readonly server: WebSocketServer;
  private readonly shared: SharedByWebSockets;
  /** Header lines for the 101 that is being written. */
  private headers: readonly string[] = [];

  constructor(
    private readonly gate: Gate,
    private readonly open: Open,
    private readonly node: Pick<Node, 'settings' | 'limits' | 'log'>,
  ) {
    const { settings, limits } = node;
    this.server = createServer(settings);
    this.shared = { settings, limits, flusher: new Flusher(settings.flushWindow * 1000), slab: new Slab() };
    this.server.on('headers', (lines) => lines.push(...this.headers));
  }

  upgrade(request: IncomingMessage, stream: Duplex, head: Buffer): void {
    // First of all: Node has taken its own listener away, and a reset would end the process
    stream.on('error', destroy);
    this.shake(request, stream, head).catch((error: unknown) => this.refuse(request, stream, error));
  }

  private async shake(request: IncomingMessage, stream: Duplex, head: Buffer): Promise<void> {
    this.check(request);
    const upgrade = new UpgradeResponse(request, stream);
    try {
      this.accept(await this.gate.admit(upgrade), upgrade, stream, head);
    } catch (error) {
      this.refuse(request, stream, error, upgrade);
    }
  }

  /** Before anything of the application runs; also such a refusal is counted and logged. */
  private check(request: IncomingMessage): void {
    try {
      checkUpgrade(request);
      if (!this.gate.speaks(request, this.name)) throw refusal(400, 'WebSocket is switched off here');
    } catch (error) {
      this.gate.noteRefusal(request, error);
      throw error;
    }
  }

  /** The 101, with what middleware set beside it. ws calls back at once, or not at all when the client has gone. */
  private accept(admission: Admission, upgrade: UpgradeResponse, stream: Duplex, head: Buffer): void {
    let isOpen = false;
    this.headers = upgrade.headers();
    upgrade.abandon();
    this.server.handleUpgrade(upgrade.request, stream, head, (webSocket) => {
      isOpen = true;
      // ws has one of its own now
      stream.off('error', destroy);
      const socket = new WebSocketSocket(webSocket, stream, this.shared);
      const sink = this.open(admission, socket, this.name);
      socket.attach(sink);
      sink.opened();
    });
    if (!isOpen) admission.place.release();
  }

  private refuse(request: IncomingMessage, stream: Duplex, error: unknown, upgrade?: UpgradeResponse): void {
    if (error instanceof AnsweredError) return;
    const headers = upgrade?.headers();
    upgrade?.abandon();
    if (upgrade?.hasStarted) {
      stream.destroy();
      return;
    }
    if (!(error instanceof HandshakeError)) {
      this.node.log.error(`WebSocket upgrade failed error=${errorField(error)}`, stackOf(error));
    }
    const answer = error instanceof HandshakeError ? error : refusal(500, 'Internal server error');
    writeRefusal(request, stream, answer, headers);
  }
}

/** A function of its own: a closure here would keep the request for as long as the stream lives. */
function destroy(this: Duplex): void {
  this.destroy();
}

function createServer(settings: RealtimeSettings): WebSocketServer {
  return new WebSocketServer({
    noServer: true,
    clientTracking: false,
    // Answered, counted and bounded by the socket
    autoPong: false,
    WebSocket: orderedWebSocket(settings),
    ...(settings.limits === 'report' ? UNBOUNDED : bounds(settings)),
    closeTimeout: settings.closeTimeout * 1000,
    handleProtocols: chooseProtocol,
    perMessageDeflate: settings.compression && {
      threshold: settings.compressionThresholdBytes,
      serverNoContextTakeover: true,
      clientNoContextTakeover: true,
    },
  } as ConstructorParameters<typeof WebSocketServer>[0]);
}

/** What ws itself enforces. Only reported, it is counted by the socket (websocket-socket.ts). */
function bounds({ maxMessageBytes, maxFragments, maxBufferedChunks }: RealtimeSettings) {
  return { maxPayload: maxMessageBytes, maxFragments, maxBufferedChunks };
}

const UNBOUNDED = { maxPayload: 2 ** 31 - 1, maxFragments: 2 ** 31 - 1, maxBufferedChunks: 2 ** 31 - 1 };

/** The first one offered. A credential that a browser hides among the protocols is never echoed. */
function chooseProtocol(offered: Set<string>): string | false {
  for (const name of offered) if (!name.startsWith(BEARER)) return name;
  return false;
}

/** RFC 6455 §4.2.1; RFC 9112 §3.2 for the Host. */
function checkUpgrade({ method, headers, httpVersion }: IncomingMessage): void {
  if (method !== 'GET') throw refusal(405, 'A WebSocket handshake is a GET', { Allow: 'GET' });
  if (httpVersion !== '1.1') throw refusal(400, 'A WebSocket handshake needs HTTP/1.1');
  if (headers.host === undefined) throw refusal(400, 'The Host header is missing');
  if (headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) !== 0) {
    throw refusal(400, 'A WebSocket handshake has no body');
  }
  if (headers.upgrade?.toLowerCase() !== 'websocket') throw refusal(426, 'Upgrade to websocket', UPGRADE);
  if (headers['sec-websocket-version'] !== '13') {
    throw refusal(426, 'Only version 13 is spoken here', { ...UPGRADE, 'Sec-WebSocket-Version': '13' });
  }
  if (!/^[+/0-9A-Za-z]{22}==$/.test(headers['sec-websocket-key'] ?? '')) {
    throw refusal(400, 'Sec-WebSocket-Key is not 16 bytes in base64');
  }
  if (!areProtocols(headers['sec-websocket-protocol']))
    throw refusal(400, 'Sec-WebSocket-Protocol is no list of names');
}

/** RFC 6455 §4.1: names that are tokens (RFC 9110 §5.6.2), each of them once. */
function areProtocols(header: string | undefined): boolean {
  if (header === undefined) return true;
  const names = header.split(',').map((name) => name.trim());
  return names.every((name) => TOKEN.test(name)) && new Set(names).size === names.length;
}

const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;

const UPGRADE = { Upgrade: 'websocket' };
