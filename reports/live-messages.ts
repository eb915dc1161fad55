// The messages between a live page and its server.
import type { Section } from "./page/page-body.ts";
import type { Patch } from "./page/patch.ts";
import type { View } from "./page/view.ts";

export interface LiveAddresses {
  /**
   * Address of server-sent events. `changed` carries a `LiveChange`; `behind` means that the whole state must
   * be fetched.
   */
  readonly events: string;
  /** Address of a `LiveState` as JSON. */
  readonly state: string;
  /** Address of a `TrialsPage` as JSON, by its query; with `/<number>`, of the `View` of one trial. */
  readonly trials: string;
  /** Increases with every change. */
  readonly revision: number;
}

export interface LivePage extends LiveAddresses {
  readonly status: string;
  readonly sweeps: readonly {
    readonly name: string;
    readonly href: string;
    /** Address of the comparison between that sweep and this one. */
    readonly compare: string;
    readonly current: boolean;
  }[];
}

/** A page's content, as its readers see it. */
export interface LiveState {
  readonly revision: number;
  readonly status: string;
  readonly sections: readonly Section[];
  readonly view: View;
}

/** The differences from one revision to the next. */
export interface LiveChange {
  readonly from: number;
  readonly revision: number;
  readonly status: string;
  /** All keys, if sections were added or removed. */
  readonly order?: readonly string[];
  readonly sections: readonly Section[];
  /** Absent if the view is unchanged. */
  readonly view?: Patch;
}

/** Some of a sweep's trials, in the requested order. */
export interface TrialsPage {
  readonly offset: number;
  /** Total number of trials that match the query. */
  readonly total: number;
  /** Number of trials on a full page. */
  readonly size: number;
  readonly rows: readonly {
    readonly number: number;
    readonly id: string;
    readonly pattern: string;
    readonly state: string;
    readonly reason: string | null;
    /** Values of the objectives, as text. */
    readonly values: readonly (string | null)[];
  }[];
}
