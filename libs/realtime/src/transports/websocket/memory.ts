/** Memory that is handed out piece by piece. */
export class Memory {
  readonly bytes: Buffer;
  /** Reads and writes four bytes at once, wherever they lie. */
  readonly view: DataView;

  /** @param length in bytes */
  constructor(length: number) {
    this.bytes = Buffer.allocUnsafeSlow(length);
    this.view = new DataView(this.bytes.buffer);
  }
}
