// A trial of a sweep by what a reader of its report would call it.
import { InvalidInputError } from "../candidates/errors.ts";
import { layoutId } from "../candidates/layout.ts";
import { frontPoints } from "../reports/front.ts";
import type { ReportData, ReportTrial } from "../reports/model.ts";
import { suggestion } from "./config-errors.ts";
import { layoutFrom } from "./layouts.ts";

/** Shortest part of an id that may stand for it. */
const MIN_ID = 4;

/**
 * A trial by its name on the front (F3), its number (#12), its id or the beginning of it, or as a layout.
 * Throws InvalidInputError (`unknown-point`, `ambiguous-point`).
 */
export function trialNamed(data: ReportData, text: string): ReportTrial {
  const front = frontPoints(data);
  const label = front.find((point) => point.label === text.toUpperCase());
  if (label !== undefined) return label.trial;
  const numbered = /^#(\d+)$/.exec(text)?.[1];
  const matches =
    numbered === undefined
      ? data.trials.filter(({ id }) => text.length >= MIN_ID && id.startsWith(text))
      : data.trials.filter(({ number }) => number === Number(numbered));
  if (matches.length === 1) return matches[0]!;
  if (matches.length > 1)
    throw new InvalidInputError(
      "ambiguous-point",
      `"${text}" begins ${matches.length} ids of sweep "${data.sweep}"; write more of it`,
    );
  if (numbered === undefined && !/^(F\d+$|l\d+-)/i.test(text)) {
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
