// A layout or a GGUF file to be measured by a command: its identity, and its measurement on a worker.
import { existsSync } from "node:fs";
import { InvalidInputError } from "../../candidates/errors.ts";
import { namedLayouts } from "../../candidates/named.ts";
import { formatNotation } from "../../candidates/notation.ts";
import type { MeasureResult } from "../../profilers/protocol.ts";
import { sha256OfFile } from "../base/durable-files.ts";
import { layoutFrom } from "../config/layouts.ts";
import { isGguf } from "../config/model-files.ts";
import { type MeasureConfig, type MeasureExtras, measureFile, measureOn } from "../farm/job-requests.ts";
import type { Worker } from "../farm/worker.ts";

/** A layout, or a file of weights, that can be measured repeatedly. */
export interface MeasuredModel {
  readonly name: string;
  /** Identifies the model independently of its name: a notation, or the digest of a file. */
  readonly identity: string;
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
    measure: async (...args) => {
      const [worker, ...rest] = args;
      return (await measureFile(worker, text, sha256, ...rest)).result;
    },
  };
}

/** Returns the name of the device for people. */
export const labelOf = (worker: Worker): string =>
  worker.emulated ? `${worker.device.name} (EMULATED: times say nothing about hardware)` : worker.device.name;
