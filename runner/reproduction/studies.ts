// Published experiments that edgefront repeats: the layouts each needs, and the answers it gives. A new one is a line here.
import type { Space } from "../../candidates/space.ts";
import type { ReportFinding } from "../../reports/model.ts";
import type { StudyName } from "../config.ts";
import type { FindingsContext } from "../findings/context.ts";
import { minimalHybridAnswers } from "./answers.ts";
import { type Designed, minimalHybridDesign } from "./design.ts";

interface Study {
  readonly description: string;
  design(space: Space): readonly Designed[];
  answers(context: FindingsContext, design: readonly Designed[]): readonly ReportFinding[];
}

export const studies = {
  "minimal-hybrid": {
    description: "count and placement of attention among short convolutions (arXiv 2511.23404)",
    design: minimalHybridDesign,
    answers: minimalHybridAnswers,
  },
} as const satisfies Record<StudyName, Study>;
