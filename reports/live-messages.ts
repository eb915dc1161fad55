// What a page that follows a sweep and its server say to each other.
import type { Section } from "./page/main.ts";
import type { Patch } from "./page/patch.ts";
import type { View } from "./page/view.ts";

export interface LiveAddresses {
  /** Server-sent events: `changed` carries a `LiveChange`; `behind` says that the whole state must be fetched. */
  readonly events: string;
  /** `LiveState` as JSON. */
  readonly state: string;
  /** `TrialsPage` as JSON by the query of `TrialsPage`; `/<number>` the `View` of one trial. */
  readonly trials: string;
  /** Grows with every change. */
  readonly revision: number;
}

export interface LivePage extends LiveAddresses {
  readonly status: string;
  readonly sweeps: readonly {
    readonly name: string;
    readonly href: string;
    /** What changed from it to this one. */
    readonly compare: string;
    readonly current: boolean;
  }[];
}

/** A page's content as its readers have it. */
export interface LiveState {
  readonly revision: number;
  readonly status: string;
  readonly sections: readonly Section[];
  readonly view: View;
}

/** From one revision to the next: only what is different. */
export interface LiveChange {
  readonly from: number;
  readonly revision: number;
  readonly status: string;
  /** Every key, where sections came or went. */
  readonly order?: readonly string[];
  readonly sections: readonly Section[];
  /** Absent where the view is the same. */
  readonly view?: Patch;
}

/** Some of a sweep's trials, in the order asked for. */
export interface TrialsPage {
  readonly offset: number;
  /** Trials in all that the query admits. */
  readonly total: number;
  /** Trials of a full page. */
  readonly size: number;
  readonly rows: readonly {
    readonly number: number;
    readonly id: string;
    readonly pattern: string;
    readonly state: string;
    readonly reason: string | null;
    /** Of the objectives, as text. */
    readonly values: readonly (string | null)[];
  }[];
}
