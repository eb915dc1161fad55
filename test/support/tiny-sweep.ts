// A real sweep that takes seconds: layouts of a few thousand parameters, proxies of a few steps. Its
// objectives do not depend on timing (a static count, and a loss that is fixed for a seed), so that even
// NSGA-II always proposes the same.
import { writeFileSync } from "node:fs";
import { join } from "node:path";

export interface TinyOptions {
  readonly name?: string;
  readonly strategy?: string;
  readonly trials?: number;
  readonly batch?: number;
  /** Number of layers. 4 of them make 256 layouts; each further layer makes four times as many. */
  readonly depth?: number;
  readonly seed?: number;
  /** `search.replicate.layouts`; default 0. */
  readonly replicate?: number;
  readonly devices?: readonly string[];
  readonly steps?: number;
  /** `score.rungs`. */
  readonly rungs?: string;
  readonly objectives?: readonly string[];
  readonly budgets?: string;
  readonly train?: boolean;
  /** `measure.protocol`; default: each job by itself, once. */
  readonly protocol?: string;
}

/** Writes the configuration and its text into `folder`. Returns the path of the configuration. */
export function writeTinySweep(folder: string, options: TinyOptions = {}): string {
  const {
    name = "tiny",
    strategy = "random",
    trials = 6,
    batch,
    depth = 4,
    seed = 1,
    replicate = 0,
    devices = ["local"],
    steps = 4,
    rungs,
    train = true,
    objectives = train ? ["text.bitsPerByte", "kvBytes@32"] : ["kvBytes@32", "parameters"],
    budgets = "[]",
    protocol = "{ guarded: false, retries: 0 }",
  } = options;
  writeFileSync(join(folder, "corpus.txt"), "the quick brown fox jumps over the lazy dog. ".repeat(200));
  const score = `
score:
  proxy: { width: 16, headDim: 8 }${rungs === undefined ? "" : `\n  rungs: ${rungs}`}
  tasks:
    text:
      task: bytes
      options: { corpus: [corpus.txt], length: 32, validationFraction: 0.2 }
      training: { steps: ${steps}, batch: 4, evalBatches: 2 }
`;
  const path = join(folder, `${name}.yaml`);
  writeFileSync(
    path,
    `name: ${name}
seed: ${seed}
space:
  vocab: 256
  width: 64
  depth: ${depth}
  mixers: [c2, c3, s8, g]
  heads: ["4/2x16"]
  parameters: 250K
search: { strategy: ${strategy}, trials: ${trials}${batch === undefined ? "" : `, batch: ${batch}`}, replicate: { layouts: ${replicate} } }
measure: { devices: [${devices.join(", ")}], contexts: [32], decodeTokens: 4, repetitions: 2, warmup: { max: 1, tolerance: 1 }, protocol: ${protocol} }
${train ? score : ""}
objectives: [${objectives.map((metric) => `{ metric: "${metric}" }`).join(", ")}]
budgets: ${budgets}
`,
  );
  return path;
}
