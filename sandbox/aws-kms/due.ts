interface Entry {
  at: number;
  run: () => void;
}

/**
 * What happens by itself when time passes. An entry is never taken back: what it runs looks whether it still applies, since
 * most deadlines are cancelled or moved before they come.
 */
export class Due {
  readonly #heap: Entry[] = [];

  at(time: number, run: () => void): void {
    this.#heap.push({ at: time, run });
    this.#rise(this.#heap.length - 1);
  }

  /** Runs everything due, oldest first; entries added meanwhile run too when they are due. */
  runUntil(now: number): void {
    for (let first = this.#heap[0]; first && first.at <= now; first = this.#heap[0]) {
      this.#removeFirst();
      first.run();
    }
  }

  #rise(start: number): void {
    for (let index = start; index > 0;) {
      const parent = (index - 1) >>> 1;
      if (this.#at(parent) <= this.#at(index)) return;
      this.#swap(parent, index);
      index = parent;
    }
  }

  #removeFirst(): void {
    const last = this.#heap.pop();
    if (!last || this.#heap.length === 0) return;
    this.#heap[0] = last;
    for (let index = 0; ;) {
      const left = 2 * index + 1;
      const smaller = this.#at(left + 1) < this.#at(left) ? left + 1 : left;
      if (this.#at(smaller) >= this.#at(index)) return;
      this.#swap(smaller, index);
      index = smaller;
    }
  }

  #at(index: number): number {
    return this.#heap[index]?.at ?? Number.POSITIVE_INFINITY;
  }

  #swap(one: number, other: number): void {
    const [a, b] = [this.#heap[one], this.#heap[other]];
    if (!a || !b) return;
    this.#heap[one] = b;
    this.#heap[other] = a;
  }
}
