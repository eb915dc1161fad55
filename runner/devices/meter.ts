// Limits the amount and rate of unrequested data from a device: a budget that sending uses up and time
// restores. Without it, a device could keep the coordinator reading for ever.

export class Budget {
  #left: number;
  #at = performance.now();

  /** @param most largest amount at once; @param perSecond amount restored in a second. */
  constructor(
    private readonly most: number,
    private readonly perSecond: number,
  ) {
    this.#left = most;
  }

  /** @returns false if the budget is exceeded. */
  take(amount: number): boolean {
    const now = performance.now();
    this.#left = Math.min(this.most, this.#left + ((now - this.#at) / 1000) * this.perSecond) - amount;
    this.#at = now;
    return this.#left >= 0;
  }

  /** Returns an amount to the budget that turned out to be requested. */
  giveBack(amount: number): void {
    this.#left = Math.min(this.most, this.#left + amount);
  }
}

/** Budget for unrequested bytes of a connection: packet overhead, ignored messages, stderr. */
const MOST_WASTE = 16 << 20;
const WASTE_PER_SECOND = 256 << 10;

/** Counts every byte of a connection except requested ones. */
export class WasteMeter {
  readonly #budget = new Budget(MOST_WASTE, WASTE_PER_SECOND);
  #over = false;
  /** @param tooMuch called once, when the budget is exceeded. */
  constructor(private readonly tooMuch: () => void) {}

  received(bytes: number): void {
    if (this.#over || this.#budget.take(bytes)) return;
    this.#over = true;
    this.tooMuch();
  }

  /** Call this for requested bytes, and for bytes that are counted elsewhere. */
  wanted(bytes: number): void {
    this.#budget.giveBack(bytes);
  }
}
