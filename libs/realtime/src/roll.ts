/** The connections of this node in the order of their ids, so that a page of them is found without looking at the others. */

/** What has an id of this node. */
interface Numbered {
  readonly id: string;
}

export class Roll<M extends Numbered> {
  /** Rising numbers of ids; a connection that has gone leaves its number behind until half of them have gone. */
  private numbers: number[] = [];
  private members: (M | undefined)[] = [];
  private gone = 0;

  /** Ids are given at the handshake: one that has to authenticate first comes late. */
  add(member: M): void {
    const number = numberOf(member.id);
    const at = this.firstFrom(number);
    if (at === this.numbers.length) {
      this.numbers.push(number);
      this.members.push(member);
    } else {
      this.numbers.splice(at, 0, number);
      this.members.splice(at, 0, member);
    }
  }

  delete({ id }: Numbered): void {
    const at = this.firstFrom(numberOf(id));
    if (this.members[at]?.id !== id) return;
    this.members[at] = undefined;
    if (++this.gone * 2 > this.numbers.length) this.sweep();
  }

  /** @returns the members whose ids have this number or a greater one, at most as many as asked for, oldest first */
  from(number: number, limit: number): M[] {
    const found: M[] = [];
    for (let at = this.firstFrom(number); at < this.members.length && found.length < limit; at++) {
      const member = this.members[at];
      if (member) found.push(member);
    }
    return found;
  }

  private firstFrom(number: number): number {
    let low = 0;
    let high = this.numbers.length;
    // New ids belong at the end
    if (high > 0 && this.numbers[high - 1]! < number) return high;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.numbers[middle]! < number) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  private sweep(): void {
    this.numbers = this.numbers.filter((_, at) => this.members[at] !== undefined);
    this.members = this.members.filter((member) => member !== undefined);
    this.gone = 0;
  }
}

/** @returns the number of an id on its node */
export function numberOf(id: string): number {
  return parseInt(id.slice(id.indexOf('.') + 1), 36);
}
