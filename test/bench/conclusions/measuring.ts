// Counts how often "measuring bought something" is stated for a device whose times are noise or follow the
// proxy exactly, and how often where it is true.
import { proxyScores, unexplained } from "../../../search/proxy-choice.ts";
import { createRng, normal, type SeededRng } from "../../../search/rng.ts";
import { type ConclusionRow, type ConclusionRuns, shareRow } from "./row.ts";

interface MadeLayout {
  readonly proxy: number;
  readonly truth: number;
}

/** Relative spread of true times over layouts, and of one session. */
const SPREAD = 0.2;
const SESSION = 0.1;

const worlds: Readonly<Record<string, { readonly bought: boolean; make(rng: SeededRng): MadeLayout }>> = {
  "times are noise": { bought: false, make: (rng) => ({ proxy: normal(rng), truth: 0 }) },
  "the proxy says it all": {
    bought: false,
    make: (rng) => {
      const truth = SPREAD * normal(rng);
      return { proxy: 3 + 2 * truth, truth };
    },
  },
  "the proxy says nothing": {
    bought: true,
    make: (rng) => ({ proxy: normal(rng), truth: SPREAD * normal(rng) }),
  },
};

/** The test's level is exactly 5%. A simulation of 1,000 sweeps has a standard error of 0.7%. */
const FALSE_LIMIT = "<= 0.065";
/** Numbers of layouts that were measured in two sessions. */
const SIZES = [8, 16, 32];

export async function measuringRows({ runs, seed }: ConclusionRuns): Promise<readonly ConclusionRow[]> {
  const rng = createRng(seed);
  const rows: ConclusionRow[] = [];
  for (const [world, { bought, make }] of Object.entries(worlds))
    for (const size of SIZES) {
      let said = 0;
      for (let n = 0; n < runs; n++) {
        const layouts = Array.from({ length: size }, () => make(rng));
        const session = (): number[] => layouts.map(({ truth }) => truth + SESSION * normal(rng));
        const proxy = layouts.map((layout) => layout.proxy);
        if (unexplained(session(), session(), proxy)!.p <= 0.05) said++;
      }
      // Few layouts find little, so the required share grows with their number.
      const least = { 8: 0.6, 16: 0.9, 32: 0.95 }[size]!;
      rows.push(
        shareRow(
          `measuring: said to have bought something, ${size} layouts (${world})`,
          said,
          runs,
          bought ? `>= ${least}` : FALSE_LIMIT,
        ),
      );
    }
  rows.push(constantRow(runs, rng));
  return rows;
}

/** A proxy without information must score exactly 0 in every sweep. */
function constantRow(runs: number, rng: SeededRng): ConclusionRow {
  let [zero, of] = [0, 0];
  for (let n = 0; n < runs; n++) {
    const layouts = Array.from({ length: 12 }, () => ({ loss: rng.next(), ms: rng.next() }));
    const points = layouts.map(({ loss, ms }) => ({
      chooser: [loss, ms],
      judge: [loss, ms + 0.1 * normal(rng)],
    }));
    const constant = layouts.map(({ loss }) => [loss, 0]);
    const { score } = proxyScores(points, constant, [constant], rng).proxies[0]!;
    if (score === null) continue;
    of++;
    if (score === 0) zero++;
  }
  return shareRow("measuring: a constant proxy scores exactly 0", zero, of, ">= 1");
}
