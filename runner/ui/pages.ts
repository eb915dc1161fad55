// Makes the contents of `edgefront ui` from the store: pages, states, trials, comparisons. server.ts handles
// requests.
import { promisify } from "node:util";
import { gzip } from "node:zlib";
import { plotly } from "../../reports/assets.ts";
import { renderPage } from "../../reports/html.ts";
import type { TrialsPage } from "../../reports/live-messages.ts";
import { comparisonPage } from "../../reports/page/comparison.ts";
import type { View } from "../../reports/page/view.ts";
import { compareSweeps } from "../reading/sweep-diff.ts";
import type { Store } from "../store/store.ts";
import type { Sweep } from "../store/sweep-table.ts";
import { Comparisons } from "./comparisons.ts";
import { Followed } from "./followed.ts";
import { trialsPage, trialView } from "./trials-page.ts";
import type { Watch } from "./watch.ts";

const compress = promisify(gzip);

/** Returns the path of a sweep's page, followed by `rest`. */
export const addressOf = (sweep: Sweep, rest = ""): string =>
  `/sweeps/${encodeURIComponent(sweep.name)}${rest}`;

export class Pages {
  private readonly sweeps = new Map<string, Followed>();
  private readonly comparisons = new Comparisons(() => this.store.history.revision());
  private packed: {
    readonly revision: number;
    readonly name: string;
    readonly body: Promise<Buffer>;
  } | null = null;

  constructor(
    private readonly store: Store,
    private readonly watch: Watch,
  ) {}

  first(name: string | undefined): Sweep | null {
    return name === undefined ? (this.store.sweeps.all().at(-1) ?? null) : this.store.sweeps.get(name);
  }

  find(name: string): Sweep | null {
    return this.store.sweeps.find(name);
  }

  followed({ name }: Sweep): Followed {
    let known = this.sweeps.get(name);
    if (known === undefined) {
      known = new Followed(this.store, this.watch, name);
      this.sweeps.set(name, known);
    }
    return known;
  }

  page(sweep: Sweep): string {
    const followed = this.followed(sweep);
    const { state } = followed;
    const sweeps = this.store.sweeps.all().map((other) => ({
      name: other.name,
      href: addressOf(other),
      compare: addressOf(other, `/against/${encodeURIComponent(sweep.name)}`),
      current: other.id === sweep.id,
    }));
    const live = {
      events: addressOf(sweep, `/events?revision=${state.revision}`),
      state: addressOf(sweep, "/state"),
      trials: addressOf(sweep, "/trials"),
      revision: state.revision,
      status: state.status,
      sweeps,
    };
    return renderPage(followed.outline, state, { plotly: plotly(), live });
  }

  /** Returns the comparison of two sweeps. */
  comparison(before: Sweep, after: Sweep): string {
    const { store } = this;
    return this.comparisons.get(`${before.id} ${after.id}`, () => {
      const diff = compareSweeps({ store, sweep: before }, { store, sweep: after });
      return comparisonPage(diff, { before: addressOf(before), after: addressOf(after) });
    });
  }

  trials(sweep: Sweep, asked: URLSearchParams): TrialsPage {
    return trialsPage(this.store, sweep, this.followed(sweep).outline, asked);
  }

  trial(sweep: Sweep, number: number): View | null {
    return trialView(this.store, sweep, this.followed(sweep).outline, number);
  }

  /** Returns the compressed page, which is made once for each revision. */
  state(sweep: Sweep): Promise<Buffer> {
    const { state } = this.followed(sweep);
    if (this.packed?.name !== sweep.name || this.packed.revision !== state.revision) {
      const body = compress(JSON.stringify(state), { level: 1 });
      this.packed = { name: sweep.name, revision: state.revision, body };
    }
    return this.packed.body;
  }
}
