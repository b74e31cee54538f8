/** Road OUT, step 10: where the client of a stream of events stands, as its ids say it. docs/recovery.md has the form. */
import { MAX_ROOMS, PARTIAL } from '../../http/event-id.js';
import type { Place } from '../../transport.js';

export class EventIds {
  /** What ids end in now: nothing without rooms with history. */
  suffix = '';
  /** The room with the newest message last. */
  private readonly positions = new Map<string, string>();
  /** All rooms but the last one: most messages in a row are of one room. */
  private others = '';
  private last = '';
  /** True once the client stands somewhere that its id does not say. */
  private isPartial = false;

  /** The client stands there once it has the next message. */
  moved({ key, position, hasLeft }: Place): void {
    if (position === undefined) this.forget(key, hasLeft === true);
    else if (key === this.last) this.positions.set(key, position);
    else this.turnTo(key, position);
    this.suffix = this.text();
  }

  private turnTo(key: string, position: string): void {
    this.positions.delete(key);
    this.positions.set(key, position);
    if (this.positions.size > MAX_ROOMS) this.forget(this.positions.keys().next().value!, false);
    this.remember(key);
  }

  private forget(key: string, hasLeft: boolean): void {
    this.positions.delete(key);
    this.isPartial ||= !hasLeft;
    this.remember([...this.positions.keys()].at(-1) ?? '');
  }

  private remember(last: string): void {
    this.last = last;
    this.others = [...this.positions]
      .filter(([key]) => key !== last)
      .map(([key, position]) => `;${key}=${position}`)
      .join('');
  }

  private text(): string {
    const last = this.positions.get(this.last);
    const rooms = last === undefined ? this.others : `${this.others};${this.last}=${last}`;
    return this.isPartial ? `${rooms};${PARTIAL}` : rooms;
  }
}
