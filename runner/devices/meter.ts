// How much a device may send, and how fast: a budget that is used up by what it sends and grows back with time. Whatever nobody asked for has
// one, or a device could keep the coordinator reading for ever.

export class Budget {
  #left: number;
  #at = performance.now();

  /** @param most what may come at once; @param perSecond how fast it grows back. */
  constructor(
    private readonly most: number,
    private readonly perSecond: number,
  ) {
    this.#left = most;
  }

  /** @returns false once more was taken than there was. */
  take(amount: number): boolean {
    const now = performance.now();
    this.#left = Math.min(this.most, this.#left + ((now - this.#at) / 1000) * this.perSecond) - amount;
    this.#at = now;
    return this.#left >= 0;
  }

  /** What was taken turned out to be wanted. */
  giveBack(amount: number): void {
    this.#left = Math.min(this.most, this.#left + amount);
  }
}

/** Bytes of a connection that reach nobody: packets around the data, messages that are ignored, stderr. */
const MOST_WASTE = 16 << 20;
const WASTE_PER_SECOND = 256 << 10;

/** Counts every byte of a connection but those that somebody wanted. */
export class WasteMeter {
  readonly #budget = new Budget(MOST_WASTE, WASTE_PER_SECOND);
  #over = false;
  /** @param tooMuch called once. */
  constructor(private readonly tooMuch: () => void) {}

  received(bytes: number): void {
    if (this.#over || this.#budget.take(bytes)) return;
    this.#over = true;
    this.tooMuch();
  }

  /** To be called for bytes that are counted elsewhere, or that were asked for. */
  wanted(bytes: number): void {
    this.#budget.giveBack(bytes);
  }
}
