// Makes a task's data once for a sweep, and keeps it in the user's cache under the hash of its bytes.
import { createHash, randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, readFile, rename, stat, writeFile } from "node:fs/promises";
import { isAbsolute, join, resolve } from "node:path";
import { glob } from "tinyglobby";
import { InvalidInputError } from "../../candidates/errors.ts";
import { type Dataset, encodeDataset } from "../../profilers/dataset.ts";
import { type TaskName, taskOf } from "../../profilers/tasks/registry.ts";
import { createRng } from "../../search/rng.ts";
import type { TaskConfig } from "../config.ts";
import { cachePath } from "../paths.ts";

/** A task's data on this machine, and what a proxy must look like to train on it. */
export interface PreparedTask {
  readonly name: string;
  readonly config: TaskConfig;
  readonly vocab: number;
  readonly length: number;
  readonly kind: Dataset["kind"];
  readonly trainPath: string;
  readonly validationPath: string;
}

/** Text beyond this is left out; more would not be seen in a proxy run of minutes. */
const MAX_CORPUS_BYTES = 64 * 2 ** 20;

async function readCorpus(patterns: readonly string[], base: string): Promise<Buffer> {
  if (patterns.length === 0) return Buffer.alloc(0);
  const absolute = patterns.map((pattern) => (isAbsolute(pattern) ? pattern : resolve(base, pattern)));
  const files = (await glob(absolute, { absolute: true, dot: false })).sort();
  if (files.length === 0) {
    throw new InvalidInputError(
      "empty-corpus",
      `no text file matches ${patterns.join(", ")}; name files that exist`,
    );
  }
  const parts: Buffer[] = [];
  let total = 0;
  for (const file of files) {
    if (total >= MAX_CORPUS_BYTES) break;
    if (!(await stat(file)).isFile()) continue;
    const part = await readFile(file);
    parts.push(part.subarray(0, MAX_CORPUS_BYTES - total));
    total += part.length;
  }
  return Buffer.concat(parts);
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
  const options = task.optionsSchema.parse(config.options);
  const text = await readCorpus(task.inputs(options), base);
  const { train, validation } = task.data(options, createRng(seed), text);
  return {
    name,
    config,
    vocab: task.vocab(options),
    length: options.length,
    kind: train.kind,
    trainPath: await keep(train),
    validationPath: await keep(validation),
  };
}

/** The folder that relative patterns of a configuration file start from. */
export const configFolder = (configPath: string): string => join(resolve(configPath), "..");
