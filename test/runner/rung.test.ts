// Training that ends at a rung, in a sweep on a scripted trainer whose loss follows the size of the model: who is stopped, that nobody of
// the front is, and that a kill at any moment changes neither.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { hopelessAbove } from "../../search/screening/rung.ts";
import { temporaryFolder } from "../support/cli.ts";
import { type ScriptedSweeps, scriptedSweeps } from "../support/scripted-sweep.ts";

const config = (rung: string, training = "{ steps: 40, batch: 4 }"): string => `name: scripted
space: { vocab: 256, width: [32, 64, 96, 128], depth: [2, 3, 4], mixers: [c2, c3, s8, g], heads: ["4/2x16"], ffnMultiple: 32, ffn: [64, 128] }
search: { strategy: random, trials: 24, batch: 6${rung} }
measure: { devices: [local], contexts: [32], decodeTokens: 4, repetitions: 2, protocol: { guarded: false, retries: 0 } }
score:
  proxy: { width: 16, headDim: 8 }
  tasks: { text: { task: bytes, options: { corpus: [corpus.txt], length: 32, validationFraction: 0.2 }, training: ${training} } }
objectives: [{ metric: text.bitsPerByte }, { metric: "kvBytes@32" }]
`;

let folder: ReturnType<typeof temporaryFolder>;
let sweeps: ScriptedSweeps;
beforeAll(async () => {
  folder = temporaryFolder();
  writeFileSync(join(folder.path, "corpus.txt"), "the quick brown fox jumps over the lazy dog. ".repeat(200));
  sweeps = await scriptedSweeps(folder.path);
});
afterAll(() => folder.remove());

const trialsOf = (db: string) =>
  sweeps.query<{
    id: string;
    batch: number;
    state: string;
    cause: string | null;
    reason: string | null;
    loss: number | null;
    kv: number;
  }>(
    db,
    `SELECT candidate_id AS id, batch, state, cause, reason,
       (SELECT value FROM metrics WHERE trial_id = t.id AND name = 'text.bitsPerByte') AS loss,
       (SELECT value FROM metrics WHERE trial_id = t.id AND name = 'kvBytes@32') AS kv
     FROM trials t ORDER BY number`,
  );

describe("a rung", { timeout: 60_000 }, () => {
  it("is the loss at which enough rivals, no worse elsewhere, were better", () => {
    const peers = [
      { others: [1, 1], loss: 5 },
      { others: [1, 2], loss: 3 },
      { others: [9, 1], loss: 1 },
      { others: [0, 0], loss: 4 },
    ];
    expect([1, 2, 3, 4].map((k) => hopelessAbove([1, 2], peers, k))).toEqual([3, 4, 5, null]);
    expect(hopelessAbove([0, 1], peers, 1)).toBe(4);
    expect(hopelessAbove([], [], 1)).toBeNull();
  });

  it("stops what earlier layouts beat in everything, scores none of it, and never the front; a kill changes nothing", async () => {
    await sweeps.run("whole.db", config(""));
    const text = config(", rung: { at: 0.25, dominatedBy: 2 }");
    const copies: string[] = [];
    await sweeps.run("rung.db", text, {
      listen: ({ kind }) => {
        if (kind !== "trial") return;
        copies.push(`killed-${copies.length}.db`);
        sweeps.copy("rung.db", copies.at(-1)!);
      },
    });
    const whole = new Map(trialsOf("whole.db").map((trial) => [trial.id, trial]));
    const trials = trialsOf("rung.db");
    const stopped = trials.filter(({ state }) => state === "stopped");
    expect(trials).toHaveLength(24);
    expect(stopped.length).toBeGreaterThan(2);
    for (const { id, batch, cause, reason, loss } of stopped) {
      expect({ cause, loss }).toEqual({ cause: "rung", loss: null });
      expect(batch).toBeGreaterThan(0);
      expect(reason).toMatch(
        /^training of text ended at step 10 of 40 with loss \S+: 2 earlier layouts were no worse in anything$/,
      );
      // Trained whole it would have been dominated: on this trainer the order at the rung is the order at the end.
      const own = whole.get(id)!;
      const better = [...whole.values()].filter(
        (other) => other.loss! <= own.loss! && other.kv <= own.kv && other.id !== id,
      );
      expect(better.length).toBeGreaterThanOrEqual(2);
    }
    for (const trial of trials.filter(({ state }) => state === "complete"))
      expect(trial.loss).toBe(whole.get(trial.id)!.loss);
    for (const copy of [copies[8]!, copies[15]!]) {
      await sweeps.run(copy, text, { resume: true });
      expect(trialsOf(copy)).toEqual(trials);
    }
  });

  it("needs training, and is refused beside a stop rule of the task", async () => {
    const both = config(", rung: {}", "{ steps: 40, stop: { every: 5, patience: 2 } }");
    await expect(sweeps.run("both.db", both)).rejects.toThrow(
      /text.training.stop both end training early; leave out one/,
    );
    const several = config(", rung: {}")
      .replace(/(tasks: \{ )(text: .*\}) \}$/m, "$1$2, $2 }")
      .replace(/, text:/, ", more:");
    await expect(sweeps.run("several.db", several)).rejects.toThrow(
      /there are several; leave it out, or keep one task/,
    );
    const none = config(", rung: {}")
      .replace(/^score:\n(?: .*\n)*/m, "")
      .replace("text.bitsPerByte", "parameters");
    await expect(sweeps.run("none.db", none)).rejects.toThrow(
      /nothing is trained; leave it out, or add score/,
    );
  });
});
