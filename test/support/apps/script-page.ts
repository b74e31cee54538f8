/** A site whose page has the client by a script tag, under a strict Content Security Policy, in front of an application. */
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, request, type Server, type ServerResponse } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';

const SCRIPT = new URL('../../../libs/realtime-client/dist/script/realtime-client.js', import.meta.url);
const POLICY = "default-src 'none'; script-src 'self'; connect-src 'self'";
const START = `
  window.got = []; window.states = [];
  window.socket = Realtime.connect('/ws');
  socket.on('n', (n) => got.push(n));
  socket.onState((state) => states.push(state));`;

const OWN: Readonly<Record<string, () => Promise<string> | string>> = {
  '/': () => '<!doctype html><title>page</title><script src="/client.js"></script><script src="/start.js"></script>',
  '/other': () => '<!doctype html><title>another page</title>',
  '/client.js': () => readFile(SCRIPT, 'utf8'),
  '/start.js': () => START,
};

export class ScriptPage {
  /** False: requests to upgrade get 426, as from a proxy that does not know WebSockets. */
  letsUpgrade = true;
  private readonly upgraded = new Set<Socket>();

  private constructor(
    private readonly application: () => string,
    private readonly server: Server,
  ) {
    server.on('request', (incoming, outgoing) => void this.answer(incoming, outgoing));
    server.on('upgrade', (incoming, socket: Socket, head) => this.upgrade(incoming, socket, head));
  }

  /** @param application returns the URL to which all other requests go, for example `http://127.0.0.1:3000` */
  static async start(application: () => string): Promise<ScriptPage> {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    return new ScriptPage(application, server);
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  /** Ends all WebSockets without a close frame. */
  cut(): void {
    for (const socket of this.upgraded) socket.destroy();
  }

  close(): void {
    this.cut();
    this.server.closeAllConnections();
    this.server.close();
  }

  private async answer(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
    outgoing.setHeader('Content-Security-Policy', POLICY);
    const own = OWN[incoming.url!];
    if (!own) return this.pass(incoming, outgoing);
    outgoing.setHeader('Content-Type', incoming.url!.endsWith('.js') ? 'text/javascript' : 'text/html');
    outgoing.end(await own());
  }

  private pass(incoming: IncomingMessage, outgoing: ServerResponse): void {
    const { method, url, headers } = incoming;
    const onward = request(this.application() + url!, { method, headers }, (answer) => {
      outgoing.writeHead(answer.statusCode!, answer.headers);
      outgoing.flushHeaders();
      answer.pipe(outgoing);
    });
    onward.on('error', () => outgoing.destroy());
    outgoing.on('close', () => onward.destroy());
    incoming.pipe(onward);
  }

  private upgrade({ url, rawHeaders }: IncomingMessage, socket: Socket, head: Buffer): void {
    if (!this.letsUpgrade) return void socket.end('HTTP/1.1 426 Upgrade Required\r\nConnection: close\r\n\r\n');
    const onward = connect(Number(new URL(this.application()).port), '127.0.0.1');
    const lines = rawHeaders.map((text, index) => (index % 2 ? `${text}\r\n` : `${text}: `)).join('');
    onward.write(`GET ${url} HTTP/1.1\r\n${lines}\r\n`);
    onward.write(head);
    socket.pipe(onward).pipe(socket);
    this.upgraded.add(socket);
    for (const end of [socket, onward]) {
      end.on('error', () => {}).on('close', () => (socket.destroy(), onward.destroy()));
    }
    socket.on('close', () => this.upgraded.delete(socket));
  }
}
