/**
 * Road IN, step 1, and road OUT, step 10: WebSocket (RFC 6455). ws answers and reads connections with compression; all
 * others are answered by opening-handshake.ts and read by receiver.ts. The outbound path is our own: a frame is encoded
 * once for all receivers, and all frames of one turn of the event loop are sent in one write.
 */
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { WebSocketServer } from 'ws';
import { type Awaitable, settle } from '../../awaitable.js';
import { AnsweredError, HandshakeError } from '../../errors.js';
import type { Admission, Open } from '../../handshake/admission.js';
import type { Gate } from '../../handshake/gate.js';
import { writeRefusal } from '../../http/refusal-writer.js';
import { refusal } from '../../http/refusals.js';
import { UpgradeResponse } from '../../http/upgrade-response.js';
import { errorField, stackOf } from '../../log.js';
import type { Node } from '../../node/node.js';
import type { RealtimeSettings } from '../../settings/settings.js';
import type { Transport } from '../../transport.js';
import { CompressedSocket } from './compressed-socket.js';
import { Flusher } from './flusher.js';
import { keepFreedMemory } from './freed-memory.js';
import { answerUpgrade, checkUpgrade, offersCompression } from './opening-handshake.js';
import { PlainSocket } from './plain-socket.js';
import type { ReceiverBounds } from './receiver.js';
import { Slab } from './slab.js';
import type { SharedByWebSockets, WebSocketSocket } from './socket.js';
import { upgradedWebSocket } from './upgraded.js';

export class WebSocketTransport implements Transport {
  readonly name = 'websocket';
  /** Undefined where compression is off. */
  private readonly server?: WebSocketServer;
  private readonly shared: SharedByWebSockets;
  /** The header lines of the 101 that ws is writing, and its subprotocol. */
  private headers: readonly string[] = [];
  private protocol = '';

  constructor(
    private readonly gate: Gate,
    private readonly open: Open,
    private readonly node: Pick<Node, 'settings' | 'limits' | 'log'>,
  ) {
    const { settings, limits } = node;
    keepFreedMemory();
    const flusher = new Flusher(settings.flushWindow * 1000);
    this.shared = { settings, limits, flusher, slab: new Slab(), bounds: receiverBounds(settings) };
    if (!settings.compression) return;
    this.server = createServer(settings, () => this.protocol || false);
    this.server.on('headers', (lines) => lines.push(...this.headers));
  }

  upgrade(request: IncomingMessage, stream: Duplex, head: Buffer): void {
    // This comes first: Node has removed its own listener, and a reset would end the process
    stream.on('error', destroy);
    void settle(
      () => this.shake(request, stream, head),
      ignore,
      (error) => this.refuse(request, stream, error),
    );
  }

  private shake(request: IncomingMessage, stream: Duplex, head: Buffer): Awaitable<void> {
    this.check(request);
    const upgrade = new UpgradeResponse(request, stream);
    return settle(
      () => this.gate.admit(upgrade),
      (admission) => this.accept(admission, upgrade, stream, head),
      (error) => this.refuse(request, stream, error, upgrade),
    );
  }

  /** Checks the request before any code of the application runs. A refusal here is counted and logged too. */
  private check(request: IncomingMessage): void {
    try {
      checkUpgrade(request);
      if (!this.gate.speaks(request, this.name)) throw refusal(400, 'WebSocket is switched off on this path');
    } catch (error) {
      this.gate.noteRefusal(request, this.name, error);
      throw error;
    }
  }

  /** Sends the 101, with the headers that middleware set. */
  private accept(admission: Admission, upgrade: UpgradeResponse, stream: Duplex, head: Buffer): void {
    const { request } = upgrade;
    const headers = upgrade.headers();
    upgrade.abandon();
    if (this.server && offersCompression(request))
      this.compress(this.server, admission, request, stream, head, headers);
    else if (answerUpgrade(request, stream, head, admission.protocol, headers))
      this.connect(admission, new PlainSocket(stream, this.shared, admission.protocol));
    else admission.place.release();
  }

  /** ws calls back at once, or not at all when the client is gone. */
  private compress(
    server: WebSocketServer,
    admission: Admission,
    request: IncomingMessage,
    stream: Duplex,
    head: Buffer,
    headers: readonly string[],
  ): void {
    let isOpen = false;
    this.headers = headers;
    this.protocol = admission.protocol;
    server.handleUpgrade(request, stream, head, (webSocket) => {
      isOpen = true;
      // From now on ws has a listener of its own
      stream.off('error', destroy);
      this.connect(admission, new CompressedSocket(stream, this.shared, webSocket));
    });
    if (!isOpen) admission.place.release();
  }

  private connect(admission: Admission, socket: WebSocketSocket): void {
    const sink = this.open(admission, socket, this.name);
    if (!sink) return socket.terminate();
    socket.attach(sink);
    sink.opened();
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

function ignore(): void {}

/** Not a closure, which would keep the request in memory for as long as the stream lives. */
function destroy(this: Duplex): void {
  this.destroy();
}

function createServer(settings: RealtimeSettings, handleProtocols: () => string | false): WebSocketServer {
  return new WebSocketServer({
    noServer: true,
    clientTracking: false,
    // The socket answers, counts and limits pings (socket.ts)
    autoPong: false,
    WebSocket: upgradedWebSocket(settings),
    ...(settings.limits === 'report' ? UNBOUNDED : bounds(settings)),
    closeTimeout: settings.closeTimeout * 1000,
    handleProtocols,
    perMessageDeflate: {
      threshold: settings.compressionThresholdBytes,
      serverNoContextTakeover: true,
      clientNoContextTakeover: true,
    },
  } as ConstructorParameters<typeof WebSocketServer>[0]);
}

/** While limits are only reported, a receiver counts fragments and chunks, and the longest message is what ws can have. */
function receiverBounds(settings: RealtimeSettings): ReceiverBounds {
  const { maxFragments, maxBufferedChunks, limits } = settings;
  const maxMessageBytes = limits === 'report' ? UNBOUNDED.maxPayload : settings.maxMessageBytes;
  return { maxMessageBytes, maxFragments, maxBufferedChunks };
}

/** The limits that ws itself enforces. While limits are only reported, compressed-socket.ts counts them. */
function bounds({ maxMessageBytes, maxFragments, maxBufferedChunks }: RealtimeSettings) {
  return { maxPayload: maxMessageBytes, maxFragments, maxBufferedChunks };
}

const UNBOUNDED = { maxPayload: 2 ** 31 - 1, maxFragments: 2 ** 31 - 1, maxBufferedChunks: 2 ** 31 - 1 };
