/** Things in the order they were made, to page through without ever starting from the first one again. */
export class Ordered<T extends { readonly sequence: number }> {
  readonly #items: T[] = [];

  get size(): number {
    return this.#items.length;
  }

  /** Sequences only grow, so adding is appending. */
  add(item: T): void {
    this.#items.push(item);
  }

  remove(item: T): void {
    const index = this.#firstAfter(item.sequence - 1);
    if (this.#items[index] === item) this.#items.splice(index, 1);
  }

  /** Up to `count` items after that sequence, and whether more follow. */
  after(sequence: number, count: number): { page: T[]; more: boolean } {
    const start = this.#firstAfter(sequence);
    return { page: this.#items.slice(start, start + count), more: start + count < this.#items.length };
  }

  all(): readonly T[] {
    return this.#items;
  }

  #firstAfter(sequence: number): number {
    let low = 0;
    let high = this.#items.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const item = this.#items[middle];
      if (item && item.sequence <= sequence) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
