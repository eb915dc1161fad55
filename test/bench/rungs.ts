// bench:rungs: runs the same sweep with and without `score.rungs`, with this machine's real trainer. Reports
// the share of training steps saved, and whether the front is the same. Other objectives than the score are
// counted, not timed, so that the two sweeps differ in nothing else. Every trained step counts, those of
// stopped trials and repeated ones included.
import { mkdtempSync, rmSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import { join, resolve } from "node:path";
import Database from "better-sqlite3";
import { parseSweepConfig } from "../../runner/config/config.ts";
import { Store } from "../../runner/store/store.ts";
import { resolveObjectives } from "../../runner/sweep/metric-names.ts";
import { runSweep } from "../../runner/sweep/run-sweep.ts";
import { hypervolume, referencePoint } from "../../search/hypervolume.ts";
import { orientValues } from "../../search/pareto.ts";
import { numberOf, optionsOf, refuse } from "../support/parse-args.ts";

const KINDS = ["recall", "text", "both"];
const USAGE = `bench:rungs [--task ${KINDS.join(",")}] [--seeds 1,2,3] [--trials 32] [--strategy random] [--rungs "{ at: [0.25, 0.5] }"] [--times 1: length of training]`;
const flags = optionsOf(USAGE, {
  task: { type: "string", default: "recall,text,both" },
  seeds: { type: "string", default: "1,2,3" },
  trials: { type: "string", default: "32" },
  strategy: { type: "string", default: "random" },
  rungs: { type: "string", default: "{ at: [0.25, 0.5] }" },
  times: { type: "string", default: "1" },
});
const asked = flags.task.split(",");
if (!asked.every((name) => KINDS.includes(name))) refuse(USAGE);
const times = numberOf("times", flags.times);

/** The smaller tasks of bench:proxies: an easy recall, and text in batches of the quickstart's size. */
const tasks = {
  recall: `recall: { task: mqar, options: { vocab: 64, length: 16, pairs: 4, examples: 32768 }, training: { steps: ${600 * times}, batch: 32, learningRate: 4.0e-3, minLearningRate: 3.0e-4, beta2: 0.98 } }`,
  text: `text: { task: bytes, options: { corpus: ["node_modules/*/README.md"], length: 128 }, training: { steps: ${60 * times}, batch: 16, learningRate: 1.0e-2, minLearningRate: 5.0e-4 } }`,
};
const scores = { recall: "recall.accuracy", text: "text.bitsPerByte" };

const configOf = (names: readonly (keyof typeof tasks)[], seed: string, rungs: string): string => `name: rungs
seed: ${seed}
space: { vocab: 256, width: 64, depth: 6, mixers: [c3, c5, s128, g], heads: ["4/2x16"], ffn: 128 }
search: { strategy: ${flags.strategy}, trials: ${flags.trials}, batch: 8, replicate: { layouts: 0 } }
measure: { devices: [local], contexts: [1024], decodeTokens: 2, repetitions: 1, warmup: { max: 1, tolerance: 1 }, protocol: { guarded: false, retries: 0 } }
score:
  proxy: { width: 32, headDim: 16, context: 1024 }
  ${rungs}
  tasks:
    ${names.map((name) => tasks[name]).join("\n    ")}
objectives: [${names.map((name) => `{ metric: ${scores[name]} }`).join(", ")}, { metric: kvBytes@1024 }, { metric: decodeFlops@1024 }]
`;

interface Swept {
  /** By candidate: the oriented objectives of complete trials. */
  readonly complete: ReadonlyMap<string, readonly number[]>;
  readonly front: readonly string[];
  readonly stopped: number;
  readonly steps: number;
}

async function sweep(folder: string, name: string, text: string): Promise<Swept> {
  const path = join(folder, `${name}.db`);
  const store = Store.open(path);
  const config = parseSweepConfig(text, name);
  const { signal } = new AbortController();
  await runSweep(store, { name, config, folder: resolve("."), resume: false, signal, listen: () => {} });
  const { id } = store.sweeps.get(name);
  const objectives = resolveObjectives(config);
  const names = objectives.map((objective) => objective.name);
  const trials = store.trials.standing(id, 0, [], names);
  const complete = trials.filter(({ state }) => state === "complete");
  const front = new Set(store.fronts.of(id, objectives));
  store.close();
  const database = new Database(path, { readonly: true });
  const { steps } = database
    .prepare(
      "SELECT sum(json_extract(result, '$.steps') - json_extract(result, '$.resumedFrom')) AS steps FROM scores",
    )
    .get() as { steps: number };
  database.close();
  return {
    complete: new Map(complete.map((trial) => [trial.candidateId, orientValues(trial.values, objectives)])),
    front: complete.flatMap((trial) => (front.has(trial.id) ? [trial.candidateId] : [])),
    stopped: trials.filter(({ state }) => state === "stopped").length,
    steps,
  };
}

const folder = mkdtempSync(join(tmpdir(), "edgefront-bench-rungs-"));
try {
  console.log(
    `${flags.strategy}, ${flags.trials} trials, rungs ${flags.rungs}; ${cpus()[0]?.model ?? "unknown"}`,
  );
  console.log(
    "task    seed  stopped  steps without / with  saved  front without / with (in both)  hypervolume kept",
  );
  for (const task of asked) {
    const names = task === "both" ? (["recall", "text"] as const) : [task as keyof typeof tasks];
    for (const seed of flags.seeds.split(",")) {
      const whole = await sweep(folder, `${task}-${seed}-whole`, configOf(names, seed, ""));
      const part = await sweep(folder, `${task}-${seed}`, configOf(names, seed, `rungs: ${flags.rungs}`));
      const vectors = [...whole.complete.values()];
      const reference = referencePoint(vectors);
      const volume = ({ front, complete }: Swept): number =>
        hypervolume(
          front.map((one) => complete.get(one)!),
          reference,
        );
      const both = part.front.filter((one) => whole.front.includes(one)).length;
      const cells = [
        ...[task.padEnd(6), seed.padStart(5), String(part.stopped).padStart(7)],
        `${whole.steps} / ${part.steps}`.padStart(20),
        `${(100 * (1 - part.steps / whole.steps)).toFixed(1)}%`.padStart(5),
        `${whole.front.length} / ${part.front.length} (${both})`.padStart(30),
        `${((100 * volume(part)) / volume(whole)).toFixed(2)}%`.padStart(16),
      ];
      console.log(cells.join("  "));
    }
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
