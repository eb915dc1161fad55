// bench:proxies: what proxies tell and what they cost. `--part mad` and `--part mqar` train all-attention, all-conv and hybrid layouts on the
// published tasks; `--part audit` trains layouts of the quickstart's space at its proxy's length and 8 times longer, for Kendall's tau.
// Every run is appended to --out as a line of
// JSON, and one that is there already is not run again: the whole takes hours on one thread and can be stopped at any time.
import { appendFileSync, existsSync, readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { lower } from "../../candidates/gguf/lower.ts";
import { formatNotation, parseNotation } from "../../candidates/notation.ts";
import { attentionCount, Space } from "../../candidates/space.ts";
import { isWeak, stratified } from "../../profilers/fidelity.ts";
import type { TrainRequest, TrainResult } from "../../profilers/protocol.ts";
import { proxyLayout, proxySchema } from "../../profilers/proxy.ts";
import { agreement } from "../../profilers/statistics/kendall.ts";
import { openSession } from "../../runner/agent/open-session.ts";
import { readSweepConfig, sweepSchema, type TaskConfig } from "../../runner/config.ts";
import { localDevice } from "../../runner/devices/device.ts";
import { configFolder, prepareTask } from "../../runner/sweep/training-data.ts";
import { createRng } from "../../search/rng.ts";

const { values: flags } = parseArgs({
  options: {
    part: { type: "string", default: "" },
    out: { type: "string", default: "build/proxies.jsonl" },
    threads: { type: "string", default: "1" },
    seeds: { type: "string", default: "1" },
    steps: { type: "string", default: "1000" },
    task: { type: "string", default: "" },
    short: { type: "boolean", default: false },
    print: { type: "boolean", default: false },
    help: { type: "boolean", default: false },
  },
});
const PARTS = ["mad", "mqar", "audit"] as const;
const part = PARTS.find((name) => name === flags.part);
if (flags.help || part === undefined) {
  console.log(
    `bench:proxies --part ${PARTS.join("|")} [--out F.jsonl] [--threads 1] [--seeds 3] [--steps 1000] [--task text: of the audit] [--short: an eighth against the whole only] [--print: only what is there]`,
  );
  process.exit(flags.help ? 0 : 2);
}

interface Run {
  readonly key: string;
  readonly loss: number;
  readonly accuracy: number;
  readonly seconds: number;
}
const runs = new Map<string, Run>();
if (existsSync(flags.out)) {
  for (const line of readFileSync(flags.out, "utf8").split("\n").filter(Boolean)) {
    const run = JSON.parse(line) as Run;
    runs.set(run.key, run);
  }
}
const session = flags.print ? null : await openSession(localDevice());

async function train(key: string, notation: string, body: Omit<TrainRequest, "model">): Promise<Run | null> {
  const known = runs.get(key);
  if (known !== undefined || session === null) return known ?? null;
  const { plan } = lower(parseNotation(notation), { quantization: "f32", seed: body.seed });
  const result: TrainResult = await session.request("train", {
    ...body,
    model: { plan: plan.toString("base64") },
  });
  const { loss, accuracy } = result.validation;
  const run = { key, loss, accuracy, seconds: result.seconds };
  appendFileSync(flags.out, `${JSON.stringify(run)}\n`);
  runs.set(key, run);
  console.error(
    `${key}: loss ${loss.toFixed(4)}, accuracy ${accuracy.toFixed(4)}, ${run.seconds.toFixed(0)} s`,
  );
  return run;
}

const taskConfig = (task: string, preset?: string, options: object = {}): TaskConfig =>
  sweepSchema.shape.score.unwrap().shape.tasks.valueType.parse({ task, preset, options });
const threads = Number(flags.threads);
const seeds = Array.from({ length: Number(flags.seeds) }, (_, i) => i + 1);
const percent = (value: number | undefined): string => (value === undefined ? "-" : (100 * value).toFixed(1));

/** Mean accuracy over the seeds that are there. */
async function accuracyOf(
  key: (seed: number) => string,
  run: (seed: number) => Promise<Run | null>,
): Promise<string> {
  const found: number[] = [];
  for (const seed of seeds) {
    const one = runs.get(key(seed)) ?? (await run(seed));
    if (one !== null) found.push(one.accuracy);
  }
  if (found.length === 0) return "-";
  const mean = found.reduce((sum, x) => sum + x, 0) / found.length;
  const spread = found.length > 1 ? ` (${percent(Math.min(...found))}-${percent(Math.max(...found))})` : "";
  return `${percent(mean)}${spread}`;
}

/** Two blocks (mixer and SwiGLU each), as MAD's; attention with 4 heads of 16. */
const SHAPES = {
  "g g": "all attention",
  "c3 c3": "all conv",
  "c3 g": "conv, attention",
  "g c3": "attention, conv",
};

async function table(
  name: string,
  columns: readonly {
    label: string;
    task: TaskConfig;
    width: number;
    batch: number;
    rate: number;
    steps: number;
  }[],
): Promise<void> {
  const prepared = await Promise.all(columns.map(({ label, task }) => prepareTask(label, task, 1, ".")));
  const rows: string[][] = [["layout", ...columns.map(({ label }) => label)]];
  for (const shape of Object.keys(SHAPES)) rows.push([SHAPES[shape as keyof typeof SHAPES]]);
  for (const [c, { label, width, batch, rate, steps }] of columns.entries()) {
    const task = prepared[c]!;
    for (const [s, shape] of Object.keys(SHAPES).entries()) {
      const notation = `v${task.vocab} d${width} f${2 * width} h${width / 16}/${width / 16}x16 : ${shape}`;
      const key = (seed: number): string => `${name} ${label} ${notation} steps ${steps} seed ${seed}`;
      const cell = await accuracyOf(key, (seed) =>
        train(key(seed), notation, {
          seed,
          steps,
          batch,
          evalBatches: Math.ceil(1280 / batch),
          reportEvery: steps,
          threads,
          ...(task.head === "pooled" ? { head: "pooled" as const } : {}),
          optimizer: {
            learningRate: rate,
            minLearningRate: rate / 100,
            warmupSteps: Math.ceil(steps / 20),
            weightDecay: 0.1,
            beta2: 0.98,
          },
          data: {
            kind: task.kind,
            train: task.trainPath,
            validation: task.validationPath,
            length: task.length,
          },
        }),
      );
      rows[s + 1]!.push(cell);
    }
  }
  console.log(rows.map((row) => `| ${row.join(" | ")} |`).join("\n"));
}

try {
  if (part === "mad") {
    const steps = Number(flags.steps);
    const column = (task: string, batch: number, times = 1) => ({
      label: task,
      task: taskConfig(task, "baseline"),
      width: 64,
      batch,
      rate: 3e-3,
      steps: steps * times,
    });
    await table("mad", [
      column("in-context-recall", 32),
      column("noisy-recall", 32),
      column("fuzzy-recall", 32),
      column("selective-copying", 16),
      column("memorization", 32),
      column("compression", 64),
    ]);
  } else if (part === "mqar") {
    const steps = Number(flags.steps);
    const column = (preset: string, batch: number) => ({
      label: preset,
      task: taskConfig("mqar", preset, { validationExamples: 1280 }),
      width: 64,
      batch,
      rate: 3e-3,
      steps,
    });
    await table("mqar", [column("L64", 64), column("L128", 32), column("L256", 16)]);
  } else {
    const path = "configs/quickstart.yaml";
    const config = readSweepConfig(path);
    const space = new Space(config.space);
    const rng = createRng(7);
    const drawn = Array.from({ length: 400 }, () => space.realize(space.sampleGenome(rng)));
    const valid = drawn.flatMap((one) => (one.ok ? [one.layout] : []));
    const distinct = [...new Map(valid.map((layout) => [formatNotation(layout), layout])).values()];
    const layouts = stratified(distinct, attentionCount, 21);
    for (const [name, task] of Object.entries(config.score!.tasks)) {
      if (!name.includes(flags.task)) continue;
      const prepared = await prepareTask(name, task, config.seed, configFolder(path));
      const proxyConfig = proxySchema.parse({ ...config.score!.proxy, ...task.proxy });
      const scores = new Map<number, (number | null)[]>();
      const { training } = task;
      const rate = training.learningRate as number;
      for (const times of flags.short ? [0.125, 1] : [0.125, 1, 8]) {
        const column: (number | null)[] = layouts.map(() => null);
        // Not stratum by stratum: one that is stopped early has seen some of each.
        for (let n = 0; n < layouts.length; n++) {
          const at = (5 * n) % layouts.length;
          const layout = layouts[at]!;
          const notation = formatNotation(proxyLayout(layout, proxyConfig, prepared));
          const steps = Math.round(training.steps * times);
          const run = await train(`audit ${name} ${notation} steps ${steps} seed 1`, notation, {
            seed: 1,
            steps,
            batch: training.batch,
            evalBatches: 16,
            reportEvery: steps,
            threads,
            optimizer: {
              learningRate: rate,
              minLearningRate: training.minLearningRate ?? rate / 10,
              warmupSteps: Math.ceil(((training.warmupSteps ?? 20) * steps) / training.steps),
              beta2: training.beta2,
            },
            data: {
              kind: prepared.kind,
              train: prepared.trainPath,
              validation: prepared.validationPath,
              length: prepared.length,
            },
          });
          column[at] = run === null ? null : name === "recall" ? run.accuracy : -run.loss;
        }
        scores.set(times, column);
      }
      for (const times of flags.short ? [0.125] : [0.125, 1]) {
        const pairs = layouts.flatMap((_, i) => {
          const [cheap, dear] = [scores.get(times)![i]!, scores.get(8 * times)![i]!];
          return cheap === null || dear === null ? [] : [[cheap, dear] as const];
        });
        const found = agreement(pairs, createRng(1));
        const text =
          found === null
            ? "no order on one side"
            : `tau ${found.tau.toFixed(2)} [${found.interval?.low.toFixed(2)}, ${found.interval?.high.toFixed(2)}]`;
        console.log(
          `${name}: ${Math.round(training.steps * times)} steps against 8 times as many: ${text} over ${pairs.length} layouts${isWeak(found) ? ", weak" : ""}`,
        );
      }
    }
  }
} finally {
  await session?.close();
}
