/** An answer whose list is too long for one frame travels in parts. */
import type { Answer, Answered } from './messages.js';

type Listed = Extract<Answered, { kind: 'list' | 'members' }>;

const isListed = (answer: Answer): answer is Listed => answer.kind === 'list' || answer.kind === 'members';

const itemsOf = (answer: Listed): readonly unknown[] =>
  answer.kind === 'list' ? answer.value.items : (answer.value as readonly unknown[]);

function withItems(answer: Listed, items: readonly unknown[], part: number, hasMore: boolean): Listed {
  if (answer.kind === 'members') return { ...answer, value: items, part, hasMore } as Listed;
  // The cursor belongs to the whole page: the last part has it
  const { next } = answer.value;
  const value = hasMore || next === undefined ? { items } : { items, next };
  return { ...answer, value, part, hasMore } as Listed;
}

/**
 * Divides an answer into parts.
 *
 * @param maxBytes how many bytes of JSON the items of one part may have; a single item may be longer
 * @returns the parts in their order; the answer itself when it fits, or is not a list
 */
export function partsOf(answer: Answer, maxBytes: number): Answer[] {
  if (!isListed(answer)) return [answer];
  const groups: unknown[][] = [[]];
  let bytes = 0;
  for (const item of itemsOf(answer)) {
    const size = Buffer.byteLength(JSON.stringify(item)) + 1;
    if (bytes > 0 && bytes + size > maxBytes) {
      groups.push([]);
      bytes = 0;
    }
    groups.at(-1)!.push(item);
    bytes += size;
  }
  return groups.map((items, part) => withItems(answer, items, part, part < groups.length - 1));
}

/** Puts the parts of one answer of one node together again, in whatever order they come. */
export class AnswerParts {
  private readonly parts = new Map<number, Listed>();
  private items = 0;
  private end = Infinity;

  /**
   * @param kind what was asked, or `obeyed` for an order: another kind of answer is ignored
   * @param maxItems how many items a list may have before it counts as failed
   */
  constructor(
    private readonly kind: Answer['kind'],
    private readonly maxItems: number,
  ) {}

  /** @returns the whole answer, or why there is none; undefined while parts are missing */
  add(answer: Answer): Answer | undefined {
    if (answer.kind === 'failed') return answer;
    if (answer.kind !== this.kind) return undefined;
    if (!isListed(answer)) return answer;
    const { id, part, hasMore } = answer;
    if (this.parts.has(part) || part >= this.end) return undefined;
    this.parts.set(part, answer);
    this.items += itemsOf(answer).length;
    if (!hasMore) this.end = part + 1;
    if (this.items > this.maxItems) {
      return {
        id,
        kind: 'failed',
        code: 'answer_too_long',
        message: `The answer has more than ${this.maxItems} items`,
      };
    }
    return this.parts.size === this.end ? this.joined() : undefined;
  }

  private joined(): Answer | undefined {
    const last = this.parts.get(this.end - 1);
    const numbers = Array.from({ length: this.end }, (_, part) => part);
    if (!last || !numbers.every((part) => this.parts.has(part))) return undefined;
    return withItems(
      last,
      numbers.flatMap((part) => itemsOf(this.parts.get(part)!)),
      0,
      false,
    );
  }
}
