// The selection on the page, shared by every view: the bounds of the sliders, a brush, and the layout in
// focus.
import type { View } from "../page/view.ts";
import { type Bound, within } from "./decide.ts";

/** Holds the page's data and selection, and informs the views of changes. */
export class Store {
  private shown: View;
  private bounds: readonly Bound[] = [];
  /** Trials selected by dragging over a plot; null without such a selection. */
  private brush: ReadonlySet<number> | null = null;
  private chosen: number | null = null;
  /** Metrics (keys) with a bound, beside the objectives and budgets. */
  private more: readonly string[] = [];
  private readonly listeners: (() => void)[] = [];

  constructor(view: View) {
    this.shown = view;
  }

  get view(): View {
    return this.shown;
  }

  /**
   * Takes newer data of the same sweep. The selection is kept, although indices of trials change. Listeners
   * are called at the next change.
   */
  replace(view: View): void {
    const place = new Map(view.trials.map(({ number }, index) => [number, index]));
    const now = (trial: number): number | undefined => place.get(this.shown.trials[trial]!.number);
    if (this.brush !== null)
      this.brush = new Set([...this.brush].map(now).filter((trial) => trial !== undefined));
    if (this.chosen !== null) this.chosen = now(this.chosen) ?? null;
    this.shown = view;
  }

  /** Adds a listener that is called after every change, but not for the initial state. */
  onChange(listener: () => void): void {
    this.listeners.push(listener);
  }

  setBounds(bounds: readonly Bound[]): void {
    this.bounds = bounds;
    this.changed();
  }

  setBrush(trials: readonly number[] | null): void {
    this.brush = trials === null || trials.length === 0 ? null : new Set(trials);
    this.changed();
  }

  /** Adds a trial to the selection, or removes it. */
  toggle(trial: number): void {
    const picked = new Set(this.brush);
    if (!picked.delete(trial)) picked.add(trial);
    this.setBrush([...picked]);
  }

  /** Sets the layout that the rule chose. Every view marks it. */
  setChosen(trial: number | null): void {
    if (trial === this.chosen) return;
    this.chosen = trial;
    this.changed();
  }

  setMore(keys: readonly string[]): void {
    this.more = keys;
    this.changed();
  }

  get moreMetrics(): readonly string[] {
    return this.more;
  }
  get currentBounds(): readonly Bound[] {
    return this.bounds;
  }
  get currentChoice(): number | null {
    return this.chosen;
  }
  get brushed(): boolean {
    return this.brush !== null;
  }
  /** False while no trial is excluded from the views. */
  get filtering(): boolean {
    return this.bounds.length > 0 || this.brush !== null;
  }

  admits(trial: number): boolean {
    return (this.brush === null || this.brush.has(trial)) && within(this.view, trial, this.bounds);
  }

  /** Returns true for trials outside the selection. */
  isGreyedOut(trial: number): boolean {
    return this.filtering && !this.admits(trial);
  }

  private changed(): void {
    for (const listener of this.listeners) listener();
  }
}
