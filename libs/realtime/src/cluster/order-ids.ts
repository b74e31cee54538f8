/**
 * The ids of this node's orders and questions: a Lamport clock, which is greater than every id of an order that has
 * come here. It is not behind the time of day either, so that the orders of a node that has just started are greater
 * than those that were given before. The clocks of nodes may differ: they decide only between orders of which neither
 * node has seen the other's.
 */

/** Greater ids do not move the clock, so that a hostile one cannot use up the integers: this leaves 2^53 - 2^48. */
const MAX_SEEN = 2 ** 48;

export class OrderIds {
  private last = 0;

  /** @param timeOfDay milliseconds since 1970. It may be wrong, and it may jump */
  constructor(private readonly timeOfDay: () => number = Date.now) {}

  /** @returns a number that is greater than all that it has returned, and than every order seen */
  next(): number {
    return (this.last = Math.max(this.last + 1, this.timeOfDay()));
  }

  /** An order with this id has come. */
  saw(id: number): void {
    if (id <= MAX_SEEN) this.last = Math.max(this.last, id);
  }
}
