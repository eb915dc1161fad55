// A time limit that pauses while a person is asked: at a terminal, or at a security token.

export class Deadline {
  #left: number;
  #since = performance.now();
  #timer: NodeJS.Timeout | undefined;
  #waiting = 0;
  #over = false;

  constructor(
    ms: number,
    private readonly expired: () => void,
  ) {
    this.#left = ms;
    this.#start();
  }

  /** Pauses the limit while `run` waits for a person. */
  readonly patiently = async <T>(run: () => Promise<T>): Promise<T> => {
    if (this.#waiting++ === 0) {
      clearTimeout(this.#timer);
      this.#left -= performance.now() - this.#since;
    }
    try {
      return await run();
    } finally {
      if (--this.#waiting === 0 && !this.#over) this.#start();
    }
  };

  end(): void {
    this.#over = true;
    clearTimeout(this.#timer);
  }

  #start(): void {
    this.#since = performance.now();
    this.#timer = setTimeout(this.expired, Math.max(this.#left, 1));
  }
}
