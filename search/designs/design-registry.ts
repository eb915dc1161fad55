// Lists published experiments as sets of layouts to propose. A new one needs a file beside this one and a
// line here.
import type { Layout } from "../../candidates/layout.ts";
import type { Space } from "../../candidates/space.ts";
import { minimalHybridDesign } from "./minimal-hybrid.ts";

interface Design {
  readonly label: string;
  readonly layout: Layout;
}

/** Layouts of each design, the most informative first. */
export const designs = { "minimal-hybrid": minimalHybridDesign } as const satisfies Record<
  string,
  (space: Space) => readonly Design[]
>;
export type DesignName = keyof typeof designs;
