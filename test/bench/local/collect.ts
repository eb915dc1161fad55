// Collects raw token times of layouts of the quickstart, in rounds over several minutes. Every round measures
// every layout once, in random order, each beside a calibration run and a reference layout. No lock is taken,
// because other work on the machine is the subject.
import { appendFileSync, readFileSync } from "node:fs";
import { lower } from "../../../candidates/gguf/lower.ts";
import type { Layout } from "../../../candidates/layout.ts";
import { formatNotation, parseNotation } from "../../../candidates/notation.ts";
import { Space } from "../../../candidates/space.ts";
import type { MeasureResult } from "../../../profilers/protocol.ts";
import { SENTINEL, SENTINEL_REQUEST } from "../../../profilers/window.ts";
import { openSession } from "../../../runner/agent/open-session.ts";
import { readSweepConfig } from "../../../runner/config/config.ts";
import { localDevice } from "../../../runner/devices/device-record.ts";
import { createRng, type SeededRng } from "../../../search/rng.ts";

/** One process: its round, its start, and its times. */
export interface Visit {
  readonly round: number;
  readonly atSeconds: number;
  readonly layout: string;
  readonly contexts: MeasureResult["contexts"];
  readonly threads: number;
  readonly disturbance?: MeasureResult["disturbance"];
  /** Decode times of the calibration run and of the reference layout, run directly before the layout. */
  readonly sentinelMs: readonly (readonly number[])[];
  readonly referenceMs: readonly (readonly number[])[];
}

export interface Collection {
  readonly layouts: number;
  readonly minutes: number;
  readonly seed: number;
  readonly tokens: number;
  readonly out: string;
}

/**
 * The first layout included in quickstart.yaml: as large as the candidates, measured at one short context.
 */
const REFERENCE_REQUEST = { contexts: [256], decodeTokens: 24, repetitions: 1 } as const;
const WARMUP = { max: 1, tolerance: 0.03 } as const;

/** Different layouts of the quickstart's space, the published one first. */
function layoutsOf(space: Space, include: Layout, n: number, rng: SeededRng): readonly Layout[] {
  const found = new Map([[formatNotation(include), include]]);
  while (found.size < n) {
    const realized = space.realize(space.sampleGenome(rng));
    if (realized.ok) found.set(formatNotation(realized.layout), realized.layout);
  }
  return [...found.values()];
}

function shuffled<T>(items: readonly T[], rng: SeededRng): T[] {
  const order = [...items];
  for (let i = order.length - 1; i > 0; i--) {
    const j = rng.below(i + 1);
    [order[i], order[j]] = [order[j]!, order[i]!];
  }
  return order;
}

/** Measures until the minutes are over, and writes a line to `out` for each visit. */
export async function collect({ layouts: n, minutes, seed, tokens, out }: Collection): Promise<void> {
  const config = readSweepConfig("configs/quickstart.yaml");
  const include = parseNotation(config.space.include![0]!);
  const rng = createRng(seed);
  const layouts = layoutsOf(new Space(config.space), include, n, rng);
  const model = (layout: Layout) => ({
    plan: lower(layout, { quantization: "q4_0", seed: 1 }).plan.toString("base64"),
  });
  const session = await openSession(localDevice());
  const measure = (layout: Layout, request: object) =>
    session.request("measure", { ...request, model: model(layout), threads: 0 }, { timeoutMs: 120_000 });
  const start = performance.now();
  const elapsed = (): number => (performance.now() - start) / 1000;
  try {
    for (let round = 0; elapsed() < 60 * minutes; round++) {
      for (const layout of shuffled(layouts, rng)) {
        const sentinel = await measure(SENTINEL, { ...SENTINEL_REQUEST, warmup: WARMUP });
        const reference = await measure(include, { ...REFERENCE_REQUEST, warmup: WARMUP });
        const atSeconds = elapsed();
        const { contexts, threads, disturbance } = await measure(layout, {
          contexts: config.measure.contexts,
          decodeTokens: tokens,
          repetitions: 3,
          warmup: WARMUP,
        });
        const visit: Visit = {
          round,
          atSeconds,
          layout: formatNotation(layout),
          contexts,
          threads,
          disturbance,
          sentinelMs: sentinel.contexts[0]!.decodeMs,
          referenceMs: reference.contexts[0]!.decodeMs,
        };
        appendFileSync(out, `${JSON.stringify(visit)}\n`);
      }
      process.stderr.write(`round ${round + 1}, ${Math.round(elapsed())} s\n`);
    }
  } finally {
    await session.close();
  }
}

export const readVisits = (out: string): readonly Visit[] =>
  readFileSync(out, "utf8")
    .split("\n")
    .filter(Boolean)
    .map((line) => JSON.parse(line) as Visit);
