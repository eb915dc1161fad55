// The order in which trials are judged at a rung: that of their proposal, whatever becomes ready first. A verdict then depends on the trials
// before it and on nothing else, neither on how fast a device was nor on a kill. Whoever is first never waits, so nobody waits for ever.
import { EventEmitter, once } from "node:events";

export class RungOrder {
  /** Trials on their way, by number: the share of its training at which each was judged last; 0 before the first. */
  readonly #judgedAt = new Map<number, number>();
  readonly #moves = new EventEmitter().setMaxListeners(0);

  enter(trial: number): void {
    this.#judgedAt.set(trial, 0);
  }

  /** It was judged at this share. */
  pass(trial: number, share: number): void {
    this.#judgedAt.set(trial, share);
    this.#moves.emit("move");
  }

  /** It ended, or comes again later. */
  leave(trial: number): void {
    this.#judgedAt.delete(trial);
    this.#moves.emit("move");
  }

  /** Resolves when every trial on its way before this one was judged at this share, or left. */
  async turn(trial: number, share: number, signal: AbortSignal): Promise<void> {
    const ahead = ([other, judgedAt]: [number, number]): boolean => other < trial && judgedAt < share;
    while ([...this.#judgedAt].some(ahead)) await once(this.#moves, "move", { signal });
  }
}
