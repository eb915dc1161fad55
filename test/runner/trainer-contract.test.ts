// One suite for every trainer: it trains, has the abilities that it claims, and refuses anything else before
// training.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parseNotation } from "../../candidates/notation.ts";
import { PRECISIONS } from "../../profilers/requests.ts";
import { scoreSchema, type TrainerId } from "../../runner/config/config-score.ts";
import type { Worker } from "../../runner/farm/worker.ts";
import { Store } from "../../runner/store/store.ts";
import { withWorker } from "../../runner/sweep/solo.ts";
import { type TrainPart, trainOn } from "../../runner/training/train.ts";
import type { Trainer } from "../../runner/training/trainers/trainer.ts";
import { laneDevice, laneOf, trainers } from "../../runner/training/trainers/trainer-registry.ts";
import { prepareTask } from "../../runner/training/training-data.ts";
import { temporaryFolder } from "../support/built-cli.ts";
import { torchProblem, torchPython } from "../support/needs.ts";

/** Needs of a trainer on this machine: the reason why it cannot run here, or null. */
const NEEDS: Partial<Record<TrainerId, () => string | null>> = { pytorch: torchProblem };

const LAYOUT = parseNotation("v256 d64 f128 h4/2x16 : c3 g");
const STEPS = 8;
const UNSUPPORTED = { code: "unsupported" };

describe.each(Object.entries<Trainer>(trainers))("trainer %s", (id, trainer) => {
  const missing = NEEDS[id as TrainerId]?.() ?? null;
  describe.skipIf(missing !== null)(missing ?? "on this machine", { timeout: 300_000 }, () => {
    const folder = temporaryFolder();
    const store = Store.open(":memory:");
    beforeAll(() =>
      writeFileSync(join(folder.path, "corpus.txt"), "the quick brown fox jumps. ".repeat(200)),
    );
    afterAll(() => {
      store.close();
      folder.remove();
    });
    const configured = (training: object) =>
      scoreSchema.parse({
        trainer: { backend: id, ...(torchPython === "" ? {} : { python: torchPython }) },
        proxy: { width: 16, headDim: 8 },
        tasks: {
          text: {
            ...{ task: "bytes", options: { corpus: ["corpus.txt"], length: 32, validationFraction: 0.2 } },
            training: { steps: STEPS, batch: 4, evalBatches: 2, ...training },
          },
        },
      });
    const lane = laneOf(configured({}).trainer);
    const onLane = <T>(work: (worker: Worker) => Promise<T>): Promise<T> =>
      withWorker(store, laneDevice(store, lane), new AbortController().signal, work, {
        program: lane.program,
      });
    /** Trains once. `steps` names the trainings that the run consisted of. */
    const trained = async (worker: Worker, training: object = {}, part: TrainPart = {}) => {
      const config = configured(training);
      const task = await prepareTask("text", config.tasks.text!, 1, folder.path);
      const steps: string[] = [];
      const run = trainOn(worker, LAYOUT, task, 1, config, ({ what }) => steps.push(what), part);
      return run.then((done) => ({ ...done, steps })).catch((error: unknown) => ({ error, steps }));
    };
    const complete = (outcome: Awaited<ReturnType<typeof trained>>) => {
      if ("error" in outcome) throw outcome.error;
      return outcome;
    };

    it("trains to the end, to the same loss for the same seed, and says nothing of this machine's paths", () =>
      onLane(async (worker) => {
        const { request, result, steps } = complete(await trained(worker));
        expect(result).toMatchObject({ steps: STEPS, stopped: "steps" });
        expect(steps).toContain("proxy");
        expect(JSON.stringify(request)).not.toContain(folder.path);
        const again = complete(await trained(worker));
        expect(again.result.validation.loss).toBe(result.validation.loss);
      }));

    it.each(PRECISIONS)("trains in %s, or refuses it", (precision) =>
      onLane(async (worker) => {
        const outcome = await trained(worker, { precision });
        if (trainer.can.precisions.includes(precision))
          expect(complete(outcome).result.precision).toBe(precision);
        else expect(outcome).toMatchObject({ error: UNSUPPORTED, steps: [] });
      }),
    );

    it("pauses and continues to the loss of a whole run, or refuses to pause", () =>
      onLane(async (worker) => {
        const outcome = await trained(worker, {}, { pauseAt: STEPS / 2 });
        if (!trainer.can.pause) {
          expect(outcome).toMatchObject({ error: UNSUPPORTED, steps: [] });
          return;
        }
        const paused = complete(outcome);
        expect(paused.result).toMatchObject({ steps: STEPS / 2, stopped: "paused" });
        const whole = complete(await trained(worker, {}, { before: paused }));
        expect(whole.result.resumedFrom).toBe(STEPS / 2);
        const straight = complete(await trained(worker));
        expect(whole.result.validation.loss).toBe(straight.result.validation.loss);
      }));

    it("learns from a teacher, or refuses to", () =>
      onLane(async (worker) => {
        const distill = { teacher: "v256 d64 f128 h4/2x16 : g g", teacherSteps: 4 };
        const outcome = await trained(worker, { distill });
        if (trainer.can.distil) expect(complete(outcome).result.steps).toBe(STEPS);
        else expect(outcome).toMatchObject({ error: UNSUPPORTED, steps: [] });
      }));

    it("says whose arithmetic its scores have", () => {
      expect(trainer.can.frameworks.length).toBeGreaterThan(0);
    });
  });
});
