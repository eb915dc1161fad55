// The answers of the minimal-hybrid study: figures with intervals, a verdict for each claim that has a test,
// and the limits of a proxy. Pure; nothing is measured here.
import { layoutId } from "../../candidates/layout.ts";
import type { ReportFinding } from "../../reports/report-model.ts";
import { type Designed, PUBLISHED_LABEL } from "../../search/designs/minimal-hybrid.ts";
import type { FindingsContext } from "../reading/findings-context.ts";
import { publishedAnswer, ruleAnswer } from "./against-front.ts";
import { countedAnswer } from "./counted-answer.ts";
import { countsAnswer } from "./counts-answer.ts";
import { localAnswer } from "./local-operators.ts";
import { placementAnswer } from "./placement-answer.ts";
import { type Measured, namesOf, Study } from "./study.ts";

/** Returns the answers; none if the published layout or the study's metrics were not measured. */
export function minimalHybridAnswers(
  context: FindingsContext,
  design: readonly Designed[],
): readonly ReportFinding[] {
  const byId = new Map(context.points.map((point) => [point.id, point]));
  const measured = design.flatMap((one): Measured[] => {
    const point = byId.get(layoutId(one.layout));
    return point === undefined ? [] : [{ ...one, point }];
  });
  const names = namesOf(context);
  const published = measured.find(({ label }) => label === PUBLISHED_LABEL);
  if (names === null || published === undefined) return [];
  const study = new Study(context, measured, published, names);
  const missing = design.filter((one) => !measured.some(({ label }) => label === one.label));
  return [
    publishedAnswer(study),
    ...names.qualities.map((quality) => ruleAnswer(study, quality)),
    countsAnswer(study),
    placementAnswer(study),
    localAnswer(study),
    countedAnswer(study),
    limitsAnswer(study, missing),
  ].filter((finding) => finding !== null);
}

function limitsAnswer(study: Study, missing: readonly Designed[]): ReportFinding {
  const { config } = study.context;
  const runs = [...study.endpoints.flatMap(({ losses }) => [...losses.values()].map((own) => own.length))];
  const seeds = Math.max(config.score?.seeds.length ?? 0, ...runs);
  return {
    id: "limits",
    question: "What can this study not show?",
    answer:
      "Quality is the quality of proxies, trained for seconds on synthetic recall and byte-level text. It separates orders of mixers by what they learn quickly. " +
      "It says nothing about knowledge, reasoning, long documents, or the quality of a fully trained model. LFM2 was chosen by more than 50 private evaluations after real training.",
    notes: [
      `Each layout has at most ${seeds} training seed${seeds === 1 ? "" : "s"}; the proxy width is ${config.score?.proxy.width ?? "-"}. Times and memory were measured with the bundled kernels on ${config.measure.devices.join(", ")}, at ${config.measure.contexts.join(" and ")} tokens of context.`,
      "A window shrinks with the proxy's sequence, so the proxy does not see differences between windows and full attention over thousands of tokens.",
      ...(missing.length === 0
        ? []
        : [`Not measured, or without a result: ${missing.map(({ label }) => label).join(", ")}.`]),
    ],
  };
}
