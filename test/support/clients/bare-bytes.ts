/** What bare clients receive, as text that can be compared: the bytes, but for secrets, ids and tags, which are random. */
import { request, type IncomingMessage } from 'node:http';
import type { ServerFrame } from './raw-frames.js';
import { until } from '../process-guard.js';

/** The headers on which a client, or a proxy between, depends. */
const HEADERS = [
  'content-type',
  'cache-control',
  'x-accel-buffering',
  'retry-after',
  'vary',
  'access-control-allow-origin',
  'access-control-allow-credentials',
];

/** One answer, of which only the beginning may be here. */
export class BareAnswer {
  body = '';
  isOver = false;

  private constructor(
    private readonly response: IncomingMessage,
    readonly cut: () => void,
  ) {
    response.setEncoding('utf8').on('data', (text: string) => (this.body += text));
    response.on('error', () => {}).on('close', () => (this.isOver = true));
  }

  /** Resolves with the head. */
  static ask(url: string, headers: Record<string, string>, method = 'GET', body?: string): Promise<BareAnswer> {
    return new Promise((resolve, reject) => {
      const asked = request(url, { method, headers, agent: false }, (response) =>
        resolve(new BareAnswer(response, () => asked.destroy())),
      );
      asked.on('error', reject).end(body);
    });
  }

  get status(): number {
    return this.response.statusCode!;
  }

  /** Waits for a text in the body. */
  has(text: string): Promise<unknown> {
    return until(
      text,
      () => this.body,
      (body) => body.includes(text),
    );
  }

  /** Waits for the end. @returns what it is, as text */
  async whole(): Promise<string> {
    await until('the end of the answer', () => this.isOver, Boolean);
    return this.text;
  }

  get text(): string {
    const { headers } = this.response;
    const lines = HEADERS.filter((name) => headers[name] !== undefined).map((name) => `${name}: ${headers[name]}\n`);
    return `${this.status}\n${lines.join('')}\n${this.body}`;
  }
}

/** @returns a frame as its head in hexadecimal digits and its payload */
export function frameText({ fin, rsv, opcode, isMasked, lengthForm, payload }: ServerFrame): string {
  const bits = `fin=${Number(fin)} rsv=${rsv} masked=${Number(isMasked)} length=${lengthForm}:${payload.length}`;
  const isText = opcode === 1;
  return `opcode=${opcode} ${bits} ${isText ? JSON.stringify(payload.toString('utf8')) : payload.toString('hex')}`;
}

/** Replaces what is random, and shortens what is long. */
export function comparable(text: string, secrets: Readonly<Record<string, string>>): string {
  let plain = text;
  for (const [name, secret] of Object.entries(secrets)) if (secret) plain = plain.replaceAll(secret, `<${name}>`);
  return plain
    .replace(/(=|"position":"|"since":")(\d+)\.[\w-]{6}/g, '$1$2.<tag>')
    .replace(/x{100,}/g, (run) => `<${run.length} x>`);
}
