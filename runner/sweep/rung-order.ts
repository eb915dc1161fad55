// Makes trials be judged at a rung in the order of their proposal, whichever is ready first. A verdict then
// depends only on earlier trials, not on the speed of devices or on a kill. The first trial never waits, so
// there is no deadlock.
import { EventEmitter, once } from "node:events";

export class RungOrder {
  /**
   * Running trials by number, with the share of training at which each was last judged; 0 before the first
   * rung.
   */
  readonly #judgedAt = new Map<number, number>();
  readonly #moves = new EventEmitter().setMaxListeners(0);

  enter(trial: number): void {
    this.#judgedAt.set(trial, 0);
  }

  /** Records that a trial was judged at this share. */
  pass(trial: number, share: number): void {
    this.#judgedAt.set(trial, share);
    this.#moves.emit("move");
  }

  /** Removes a trial that ended or is deferred. */
  leave(trial: number): void {
    this.#judgedAt.delete(trial);
    this.#moves.emit("move");
  }

  /** Resolves when every earlier running trial was judged at this share, or left. */
  async turn(trial: number, share: number, signal: AbortSignal): Promise<void> {
    const ahead = ([other, judgedAt]: [number, number]): boolean => other < trial && judgedAt < share;
    while ([...this.#judgedAt].some(ahead)) await once(this.#moves, "move", { signal });
  }
}
