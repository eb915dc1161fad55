// Finds a trial of a sweep by a name that a reader of its report would use.
import { InvalidInputError } from "../../candidates/errors.ts";
import { layoutId } from "../../candidates/layout.ts";
import { frontPoints } from "../../reports/front.ts";
import type { ReportData, ReportTrial } from "../../reports/report-model.ts";
import { suggestion } from "../config/config-errors.ts";
import { layoutFrom } from "../config/layouts.ts";
import type { Store } from "../store/store.ts";
import type { Sweep } from "../store/sweep-table.ts";
import { PAGE_TRIALS } from "./shown-trials.ts";
import { reportData } from "./sweep-reader.ts";

/** Shortest beginning of an id that names a trial. */
const MIN_ID = 4;

const numberIn = (text: string): number | null => {
  const digits = /^#(\d{1,9})$/.exec(text)?.[1];
  return digits === undefined ? null : Number(digits);
};

/** Whether the text may be a layout; `F3`, `#12` and beginnings of ids are not. */
const isLayout = (text: string): boolean => numberIn(text) === null && !/^(F\d+$|l\d+-)/i.test(text);

/** Ids of trials that a name may mean, except points of the front. */
function meant(store: Store, sweepId: number, text: string): readonly number[] {
  const number = numberIn(text);
  if (number !== null) return [store.trials.idOf(sweepId, number)].filter((id) => id !== null);
  if (isLayout(text)) return store.trials.idsOfCandidates(sweepId, [layoutId(layoutFrom(text))]);
  return text.length >= MIN_ID ? store.trials.idsBeginning(sweepId, text) : [];
}

/**
 * Returns a trial by its name on the front (F3), its number (#12), its id or the beginning of it, or its
 * layout. Also returns the data of its sweep; a selection when it is very large.
 * @throws InvalidInputError (`unknown-point`, `ambiguous-point`).
 */
export function trialNamed(
  store: Store,
  sweep: Sweep,
  text: string,
): { readonly data: ReportData; readonly trial: ReportTrial } {
  const always = meant(store, sweep.id, text);
  const data = reportData(store, sweep, { atMost: PAGE_TRIALS, always, jobs: false });
  return { data, trial: trialOf(data, text) };
}

function trialOf(data: ReportData, text: string): ReportTrial {
  const front = frontPoints(data);
  const label = front.find((point) => point.label === text.toUpperCase());
  if (label !== undefined) return label.trial;
  const numbered = numberIn(text);
  const matches =
    numbered === null
      ? data.trials.filter(({ id }) => text.length >= MIN_ID && id.startsWith(text))
      : data.trials.filter(({ number }) => number === numbered);
  if (matches.length === 1) return matches[0]!;
  if (matches.length > 1)
    throw new InvalidInputError(
      "ambiguous-point",
      `"${text}" begins ${matches.length} ids of sweep "${data.sweep}"; write more of it`,
    );
  if (isLayout(text)) {
    const id = layoutId(layoutFrom(text));
    const same = data.trials.find((trial) => trial.id === id);
    if (same !== undefined) return same;
  }
  const known = front.map((point) => point.label);
  throw new InvalidInputError(
    "unknown-point",
    `sweep "${data.sweep}" has no layout "${text}"${suggestion(text, known)} (F1 on its front, #12 a trial, or an id)`,
  );
}
