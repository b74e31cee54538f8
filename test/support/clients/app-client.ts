import { WebSocket } from 'ws';
import { until, within } from '../process-guard.js';

/** A client that records what it is sent, and its close code. */
export class AppClient {
  readonly texts: string[] = [];
  code?: number;

  private constructor(socket: WebSocket) {
    socket.on('message', (data: Buffer) => this.texts.push(data.toString()));
    socket.on('error', () => {});
    socket.on('close', (code) => (this.code = code));
  }

  static async open({ port }: { readonly port: number }, query: string): Promise<AppClient> {
    const socket = new WebSocket(`ws://127.0.0.1:${port}/ws?${query}`);
    const client = new AppClient(socket);
    const opened = new Promise<void>((resolve, reject) => socket.once('open', resolve).once('close', reject));
    await within(10_000, 'a handshake', opened);
    return client;
  }

  async until(text: string): Promise<void> {
    await until(
      `the message ${text}`,
      () => this.texts,
      (texts) => texts.includes(text),
    );
  }

  async closed(): Promise<number> {
    return (await until(
      'the end of a connection',
      () => this.code,
      (code) => code !== undefined,
    ))!;
  }
}
