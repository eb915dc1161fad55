// Steps over a connection that may die silently: a step ends when it is done, when the transport is lost, or
// when no data moved for too long. ssh2 guarantees neither of the last two for pending calls.
import { sanitise } from "../../profilers/protocol-fields.ts";
import { TransportLostError } from "./device-errors.ts";

type Forget = () => void;
/**
 * `alive` extends the deadline. `onLost` registers a callback for a dying transport and returns a function
 * that removes it.
 */
export type RunStep = <T>(
  what: string,
  run: (alive: () => void, onLost: (stop: () => void) => Forget) => Promise<T>,
) => Promise<T>;

export class Steps {
  readonly #onLost = new Set<(error: TransportLostError) => void>();
  #lost: TransportLostError | undefined;

  constructor(
    private readonly address: string,
    private readonly stepMs: number,
    /** Cuts the connection. */
    private readonly destroy: () => void,
  ) {}

  /** Why the transport was lost; undefined while it is alive. */
  get lost(): TransportLostError | undefined {
    return this.#lost;
  }

  lose(cause: Error | undefined): void {
    if (this.#lost) return;
    this.#lost = new TransportLostError(
      `the connection to ${this.address} was lost${cause ? `: ${sanitise(cause.message).slice(0, 300)}` : ""}`,
      "",
      { cause },
    );
    for (const notify of this.#onLost) notify(this.#lost);
    this.#onLost.clear();
  }

  /** Cuts the connection if `work` has not ended in time, even if data moved. */
  async within<T>(what: string, ms: number, work: Promise<T>): Promise<T> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => {
        const seconds = Math.round(ms / 1000);
        reject(new TransportLostError(`${what} to ${this.address} did not end within ${seconds} s`));
        this.destroy();
      }, ms);
    });
    work.catch(() => {});
    try {
      return await Promise.race([work, late]);
    } finally {
      clearTimeout(timer);
    }
  }

  readonly run: RunStep = async (what, run) => {
    if (this.#lost) throw this.#lost;
    let timer: NodeJS.Timeout | undefined;
    let notify: ((error: TransportLostError) => void) | undefined;
    const broken = new Promise<never>((_, reject) => {
      notify = reject;
      this.#onLost.add(reject);
      timer = setTimeout(() => {
        reject(new TransportLostError(`${what} on ${this.address}: no data for ${this.stepMs} ms`));
        this.destroy();
      }, this.stepMs);
    });
    const onLost = (stop: () => void): Forget => {
      this.#onLost.add(stop);
      return () => this.#onLost.delete(stop);
    };
    try {
      return await Promise.race([run(() => timer?.refresh(), onLost), broken]);
    } catch (error) {
      // ssh2 reports a dead transport to each pending call with its own message.
      if (this.#lost) throw this.#lost;
      throw error;
    } finally {
      clearTimeout(timer);
      if (notify) this.#onLost.delete(notify);
    }
  };
}

/** Turns a Node callback into a promise; also catches synchronous errors of ssh2. */
export function callback<T>(
  start: (done: (error: Error | null | undefined, value?: T) => void) => void,
): Promise<T> {
  return new Promise((resolve, reject) =>
    start((error, value) => (error ? reject(error) : resolve(value as T))),
  );
}
