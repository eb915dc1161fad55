// A layout or a GGUF file to be measured by a command: its identity, and its measurement on a worker.
import { existsSync } from "node:fs";
import { InvalidInputError } from "../../candidates/errors.ts";
import { namedLayouts } from "../../candidates/named.ts";
import { formatNotation } from "../../candidates/notation.ts";
import type { MeasureResult } from "../../profilers/protocol.ts";
import { sha256OfFile } from "../base/durable-files.ts";
import { layoutFrom } from "../config/layouts.ts";
import { isGguf } from "../config/model-files.ts";
import { runtimeIdOf } from "../devices/device-record.ts";
import { type MeasureConfig, type MeasureExtras, measureFile, measureOn } from "../farm/job-requests.ts";
import type { Worker } from "../farm/worker.ts";
import { type Runtime, runnableAs } from "../runtimes/runtime.ts";

/** The layout that is run, where it is not the one that was named, and why. Null: as named. */
export type RunsAs = { readonly notation: string; readonly why: string } | null;

/** A layout, or a file of weights, that can be measured repeatedly. */
export interface MeasuredModel {
  readonly name: string;
  /** Identifies the model independently of its name: a notation, or the digest of a file. */
  readonly identity: string;
  /** Returns how a runtime runs it. @throws NotExpressibleError where it does not. */
  runsAs(runtime: Runtime): RunsAs;
  measure(
    worker: Worker,
    config: MeasureConfig,
    onStart: () => void,
    extras?: MeasureExtras,
  ): Promise<MeasureResult>;
}

/**
 * Returns the model of a text.
 * @throws InvalidInputError when the text names no layout and no file.
 */
export async function modelOf(text: string): Promise<MeasuredModel> {
  if (text.toLowerCase() in namedLayouts || !isGguf(text)) {
    const layout = layoutFrom(text);
    const notation = formatNotation(layout);
    return {
      name: notation,
      identity: notation,
      runsAs(runtime) {
        const as = runnableAs(runtime, layout);
        const expression = runtime.express(layout);
        return expression.kind === "padded" ? { notation: formatNotation(as), why: expression.why } : null;
      },
      measure: async (...args) => {
        const [worker, ...rest] = args;
        return (await measureOn(worker, layout, ...rest)).result;
      },
    };
  }
  if (!existsSync(text))
    throw new InvalidInputError(
      "unreadable-model",
      `there is no file ${text}; check the path, or name a layout, e.g. lfm2-350m`,
    );
  const sha256 = await sha256OfFile(text);
  return {
    name: text,
    identity: `sha256:${sha256}`,
    runsAs: () => null,
    measure: async (...args) => {
      const [worker, ...rest] = args;
      return (await measureFile(worker, text, sha256, ...rest)).result;
    },
  };
}

/** Returns the name of the device for people, with its engine unless that is edgefront's own. */
export function labelOf(worker: Worker): string {
  const { name } = worker.device;
  const { id, version } = describeEngine(worker);
  const device = id === "native" ? name : `${name}, ${id} ${version}`;
  return worker.emulated ? `${device} (EMULATED: times say nothing about hardware)` : device;
}

/** Returns the engine that measures: its runtime's id, its version and its computing part. */
export function describeEngine({ device, engine }: Pick<Worker, "device" | "engine">) {
  const { version, backend } = engine;
  return { id: runtimeIdOf(device), version, backend };
}
