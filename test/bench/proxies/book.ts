// The training runs of bench:proxies: planned, then run by the requested number of agents side by side (or
// written for another machine), and stored as lines of JSON. A run in the file is not repeated, so that hours
// of training can be stopped at any time.
import { appendFileSync, existsSync, mkdirSync, readFileSync } from "node:fs";
import { dirname } from "node:path";
import { lower } from "../../../candidates/gguf/lower.ts";
import { parseNotation } from "../../../candidates/notation.ts";
import type { TrainResult } from "../../../profilers/protocol.ts";
import type { TrainRequest } from "../../../profilers/requests.ts";
import { openSession } from "../../../runner/agent/open-session.ts";
import type { AgentSession } from "../../../runner/agent/session.ts";
import { AgentError } from "../../../runner/devices/device-errors.ts";
import { localDevice } from "../../../runner/devices/device-record.ts";
import { pytorchProgram } from "../../../runner/training/trainers/pytorch-trainer.ts";

export interface Planned {
  /** Key of the run: everything that distinguishes it from the others in its file. */
  readonly key: string;
  readonly notation: string;
  readonly body: Omit<TrainRequest, "model">;
}

/** Stored form of a run. A run that diverged has an infinite loss in memory, `null` in the file. */
export interface Run {
  readonly key: string;
  /** Nats per scored token of the validation data. */
  readonly loss: number;
  readonly accuracy: number;
  /** (step, nats): mean training loss since the previous entry. */
  readonly curve: readonly (readonly [number, number])[];
  /** (step, mean gradient norm before clipping). */
  readonly norms: readonly (readonly [number, number])[];
  readonly seconds: number;
  /**
   * Processor that computed it: an instruction set, or torch-cpu, torch-cuda. Lines from before 2026-11-26
   * lack it: avx2.
   */
  readonly isa?: string;
}

/** Place where runs missing from the file are trained. */
export type Place =
  | { readonly kind: "nowhere" }
  /** A runner elsewhere takes them from a folder. */
  | { readonly kind: "plan"; readonly folder: { add(planned: readonly Planned[]): Promise<void> } }
  /**
   * On this machine: `agents` side by side with one thread each; by PyTorch where `python` names a Python.
   */
  | { readonly kind: "here"; readonly agents: number; readonly python?: string };

interface Settings {
  readonly place: Place;
  /**
   * Instruction set. With the same one, losses on two machines are equal to the last bit. Default: the
   * machine's fastest.
   */
  readonly isa?: string;
}

const kept = ({ loss, ...rest }: Run): string =>
  `${JSON.stringify({ ...rest, loss: Number.isFinite(loss) ? loss : null })}\n`;

export class RunBook {
  private readonly runs = new Map<string, Run>();

  constructor(
    private readonly path: string,
    private readonly settings: Settings,
  ) {
    mkdirSync(dirname(path), { recursive: true });
    if (!existsSync(path)) return;
    for (const line of readFileSync(path, "utf8").split("\n").filter(Boolean)) {
      const run = JSON.parse(line) as Run;
      this.runs.set(run.key, { ...run, loss: run.loss ?? Number.POSITIVE_INFINITY });
    }
  }

  get(key: string): Run | undefined {
    return this.runs.get(key);
  }

  /** Trains runs missing from the file, in the given order. */
  async train(planned: readonly Planned[]): Promise<void> {
    const { place, isa } = this.settings;
    const waiting = planned
      .filter(({ key }) => !this.runs.has(key))
      .map((one) => (isa === undefined ? one : { ...one, body: { ...one.body, isa } }));
    if (place.kind === "nowhere") return;
    if (place.kind === "plan") return place.folder.add(waiting);
    const total = waiting.length;
    const { python } = place;
    const work = async (): Promise<void> => {
      if (waiting.length === 0) return;
      const session = await openSession(
        localDevice(),
        python === undefined ? {} : { binary: await pytorchProgram(python) },
      );
      try {
        for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
          const run = await one(session, next);
          appendFileSync(this.path, kept(run));
          this.runs.set(run.key, run);
          const { key, loss, accuracy, seconds } = run;
          console.error(
            `${total - waiting.length} of ${total}: ${key}: loss ${loss.toFixed(4)}, accuracy ${accuracy.toFixed(4)}, ${seconds.toFixed(0)} s`,
          );
        }
      } finally {
        await session.close();
      }
    };
    await Promise.all(Array.from({ length: place.agents }, work));
  }
}

export function requestOf({ notation, body }: Planned): TrainRequest {
  const { plan } = lower(parseNotation(notation), { quantization: "f32", seed: body.seed });
  return { threads: 1, ...body, model: { plan: plan.toString("base64") } };
}

async function one(session: AgentSession, planned: Planned): Promise<Run> {
  const { key } = planned;
  try {
    const result: TrainResult = await session.request("train", requestOf(planned));
    const { loss, accuracy } = result.validation;
    return {
      key,
      loss,
      accuracy,
      curve: result.trainLoss,
      norms: result.gradientNorm,
      seconds: result.seconds,
      isa: result.isa,
    };
  } catch (error) {
    if (!(error instanceof AgentError) || error.code !== "diverged") throw error;
    return { key, loss: Number.POSITIVE_INFINITY, accuracy: 0, curve: [], norms: [], seconds: 0 };
  }
}
