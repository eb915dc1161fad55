// Makes a task's data once for a sweep, and keeps it in the user's cache under the hash of its bytes.
import { createHash, randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, rename, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { type Dataset, encodeDataset } from "../../profilers/dataset.ts";
import { type TaskName, taskOf } from "../../profilers/tasks/registry.ts";
import { withPreset } from "../../profilers/tasks/task.ts";
import { createRng } from "../../search/rng.ts";
import type { TaskConfig } from "../config-score.ts";
import { cachePath } from "../paths.ts";
import { encodeCorpus } from "./corpus.ts";
import { withInstalledModules } from "./installed-text.ts";

/** A task's data on this machine, and what a proxy must look like to train on it. */
export interface PreparedTask {
  readonly name: string;
  readonly config: TaskConfig;
  readonly vocab: number;
  readonly length: number;
  readonly kind: Dataset["kind"];
  readonly head: "tokens" | "pooled";
  readonly trainPath: string;
  readonly validationPath: string;
  /** Of validation text; 1 where there is no text. */
  readonly bytesPerToken: number;
}

async function keep(dataset: Dataset): Promise<string> {
  const bytes = encodeDataset(dataset);
  const hash = createHash("sha256").update(bytes).digest("hex");
  const path = cachePath("data", `${hash.slice(0, 32)}.efd`);
  if (existsSync(path)) return path;
  await mkdir(cachePath("data"), { recursive: true });
  const part = `${path}.${randomBytes(4).toString("hex")}.part`;
  await writeFile(part, bytes);
  await rename(part, path);
  return path;
}

/** Prepares the data of one configured task; `base` is the folder that corpus patterns are relative to. */
export async function prepareTask(
  name: string,
  config: TaskConfig,
  seed: number,
  base: string,
): Promise<PreparedTask> {
  const task = taskOf(config.task as TaskName);
  const options = task.optionsSchema.parse(withPreset(task, config.preset, config.options, config.task));
  if ("corpus" in task) {
    const corpus = task.corpus(options);
    const patterns = withInstalledModules(corpus.patterns, base);
    const encoded = await encodeCorpus({ ...corpus, patterns }, base, options.length);
    return { name, config, length: options.length, kind: "stream", head: "tokens", ...encoded };
  }
  const { train, validation } = task.data(options, createRng(seed));
  return {
    name,
    config,
    vocab: task.vocab(options),
    length: options.length,
    kind: train.kind,
    head: task.head ?? "tokens",
    trainPath: await keep(train),
    validationPath: await keep(validation),
    bytesPerToken: 1,
  };
}

/** The folder that relative patterns of a configuration file start from. */
export const configFolder = (configPath: string): string => join(resolve(configPath), "..");
