// One sweep for all its live readers: each change is computed and serialised once, and every reader gets the
// same bytes. A reader that missed a change fetches the whole state.
import { counted } from "../../candidates/words.ts";
import { countStates } from "../../reports/front.ts";
import type { LiveChange, LiveState } from "../../reports/live-messages.ts";
import { type Kept, type Section, sectionsOf } from "../../reports/page/page-body.ts";
import { difference } from "../../reports/page/patch.ts";
import { viewOf } from "../../reports/page/view.ts";
import type { ReportData } from "../../reports/report-model.ts";
import { SweepReader } from "../reading/sweep-reader.ts";
import type { Store } from "../store/store.ts";
import type { Sweep } from "../store/sweep-table.ts";
import { historyOf, withEstimates } from "../sweep/estimates.ts";
import type { Watch } from "./watch.ts";

/** Largest number of trials on a live page; a report file may hold more. */
const LIVE_TRIALS = 2000;
/**
 * Updates within the first interval are sent as one. The pause between updates never exceeds the second,
 * however expensive they are.
 */
const PUSH_EVERY_MS = 300;
const PUSH_AT_LEAST_MS = 600;
/**
 * The pause after an update is its cost times this factor, so that following takes a twentieth of one core.
 */
const PAUSE_FACTOR = 19;
/** A sweep is also read completely from time to time, rarely enough to take a hundredth of one core. */
const READ_ANEW_MS = 60_000;
const READ_ANEW_FACTOR = 100;

/** Returns the status line at the top of the page. */
function statusOf(sweep: Sweep, data: ReportData): string {
  const { proposed, running, ...ended } = countStates(data);
  const finished = Object.values(ended).reduce((sum, count) => sum + count, 0);
  const count = `${finished} of ${counted(sweep.config.search.trials, "trial")} finished`;
  if (sweep.state === "complete") return `complete: ${count}`;
  return sweep.isRunning
    ? `running: ${count}`
    : `stopped: ${count}. Continue with: edgefront sweep CONFIG --resume`;
}

/** Receives an event in its wire format. */
export type Follower = (event: Buffer) => void;

export class Followed {
  private reader: { readonly sweep: SweepReader; readonly since: number; readonly costMs: number } | null =
    null;
  private seen: number | null = null;
  private data: ReportData | null = null;
  private current: LiveState | null = null;
  private readonly kept: Kept = new Map();
  private readonly followers = new Set<Follower>();
  private forget: (() => void) | null = null;
  private timer: NodeJS.Timeout | null = null;
  private last = 0;
  /** Processor time of the newest update. */
  private costMs = 0;

  constructor(
    private readonly store: Store,
    private readonly watch: Watch,
    private readonly name: string,
  ) {}

  /**
   * Returns the present or a very recent state. Many requests at once do not make it more often than updates.
   */
  get state(): LiveState {
    this.catchUp();
    return this.current!;
  }

  /** The data of the present state. */
  get report(): ReportData {
    this.catchUp();
    return this.data!;
  }

  /** The data as last read, for uses that need no newer one. */
  get outline(): ReportData {
    return this.data ?? this.report;
  }

  /** Sends every change from `revision` on, until the returned function is called. */
  follow(revision: number, follower: Follower): () => void {
    if (revision !== this.state.revision) follower(this.behind());
    this.followers.add(follower);
    this.forget ??= this.watch.listen(() => this.schedule());
    // A change since the last state may have been noticed while there was no reader.
    if (this.seen !== this.watch.revision) this.schedule();
    return () => {
      this.followers.delete(follower);
      if (this.followers.size > 0) return;
      this.forget?.();
      this.forget = null;
      if (this.timer !== null) clearTimeout(this.timer);
      this.timer = null;
    };
  }

  /** Returns the event that tells a reader to fetch a newer state. */
  behind(): Buffer {
    return Buffer.from(`event: behind\ndata: ${this.current?.revision ?? 0}\n\n`);
  }

  /** Returns the least pause between two updates. */
  private get pause(): number {
    return Math.min(PUSH_AT_LEAST_MS, Math.max(PUSH_EVERY_MS, PAUSE_FACTOR * this.costMs));
  }

  private catchUp(): void {
    if (this.current === null || Date.now() - this.last >= this.pause) this.refresh();
  }

  private schedule(): void {
    this.timer ??= setTimeout(
      () => {
        this.timer = null;
        try {
          this.refresh();
        } catch {
          // An error of the sweep is reported when its page is requested.
        }
      },
      Math.max(0, this.last + this.pause - Date.now()),
    );
  }

  private refresh(): void {
    this.watch.poll();
    if (this.current !== null && this.seen === this.watch.revision) return;
    this.seen = this.watch.revision;
    const began = process.cpuUsage();
    const sweep = this.store.sweeps.get(this.name);
    // Chances change with every trial, and computing them takes longer than reading a running sweep.
    const data = withEstimates(this.read(sweep), historyOf(this.store, sweep.id), {
      frontOnly: true,
      chances: !sweep.isRunning,
    });
    const next: LiveState = {
      revision: this.watch.revision,
      status: statusOf(sweep, data),
      sections: sectionsOf(data, { live: true, kept: this.kept, exact: !sweep.isRunning }),
      view: viewOf(data),
    };
    this.data = data;
    const change = this.current === null ? null : changeBetween(this.current, next);
    // The change may belong to another sweep; the readers of this one are up to date.
    if (this.current === null || change !== null) this.current = next;
    if (change !== null && this.followers.size > 0) {
      const event = Buffer.from(
        `event: changed\nid: ${change.revision}\ndata: ${JSON.stringify(change)}\n\n`,
      );
      for (const follower of this.followers) follower(event);
    }
    const { user, system } = process.cpuUsage(began);
    this.costMs = (user + system) / 1000;
    this.last = Date.now();
    // A waiting page gets the present state; the rest follows as a change.
    if (this.reader!.sweep.behind) {
      this.watch.touch();
      this.schedule();
    }
  }

  private read(sweep: Sweep): ReportData {
    const now = performance.now();
    const { reader } = this;
    if (reader !== null && now - reader.since < Math.max(READ_ANEW_MS, READ_ANEW_FACTOR * reader.costMs))
      return reader.sweep.read(sweep);
    const fresh = new SweepReader(this.store, sweep, { atMost: LIVE_TRIALS, health: true, jobsLater: true });
    const data = fresh.read(sweep);
    this.reader = { sweep: fresh, since: now, costMs: performance.now() - now };
    return data;
  }
}

const keysOf = (sections: readonly Section[]): readonly string[] => sections.map(([key]) => key);

function changeBetween(before: LiveState, after: LiveState): LiveChange | null {
  const known = new Map(before.sections);
  const sections = after.sections.filter(([key, markup]) => known.get(key) !== markup);
  const order = keysOf(after.sections);
  const reordered = order.join() !== keysOf(before.sections).join();
  const view = difference(before.view, after.view);
  if (sections.length === 0 && !reordered && view === undefined && before.status === after.status)
    return null;
  return {
    from: before.revision,
    revision: after.revision,
    status: after.status,
    ...(reordered && { order }),
    sections,
    ...(view !== undefined && { view }),
  };
}
