// Makes a task's data once for a sweep, and identifies the content it rests on. Storing the data is left to
// data-files.ts.
import { basename, join, resolve } from "node:path";
import { InvalidInputError } from "../../candidates/errors.ts";
import { counted } from "../../candidates/words.ts";
import type { Dataset } from "../../profilers/dataset.ts";
import { digestOf, type Part, partFrom } from "../../profilers/identity.ts";
import { withPreset } from "../../profilers/tasks/task.ts";
import { type TaskName, taskOf } from "../../profilers/tasks/task-registry.ts";
import { createRng } from "../../search/rng.ts";
import { remembered, sha256OfFile } from "../base/durable-files.ts";
import type { TaskConfig } from "../config/config-score.ts";
import { isGguf } from "../config/model-files.ts";
import { withInstalledModules } from "../farm/installed-text.ts";
import { type CorpusSource, encodeCorpus } from "./corpus.ts";
import { keepDataset } from "./data-files.ts";

/** A task's data on this machine, and the constraints on a proxy that trains on it. */
export interface PreparedTask {
  readonly name: string;
  readonly config: TaskConfig;
  readonly vocab: number;
  readonly length: number;
  readonly kind: Dataset["kind"];
  readonly head: "tokens" | "pooled";
  readonly trainPath: string;
  readonly validationPath: string;
  /** Bytes of validation text for each token; 1 when there is no text. */
  readonly bytesPerToken: number;
  /** The content that its scores rest on: corpus, tokenizer, data, and a teacher that is a file. */
  readonly parts: readonly Part[];
}

/**
 * The content of a task's teacher, when it is a file. Its path is not relative to the configuration, because
 * it may come from the command line.
 */
async function teacherParts(name: string, { training: { distill } }: TaskConfig): Promise<readonly Part[]> {
  if (distill === undefined || !isTeacherFile(distill.teacher)) return [];
  return [teacherPart(name, await teacherDigest(distill.teacher), basename(distill.teacher))];
}

/** Returns whether a teacher is a file (logits or weights), not a layout. */
export const isTeacherFile = (teacher: string): boolean => /\.efl$/i.test(teacher) || isGguf(teacher);

const digestOfTeacher = remembered(sha256OfFile);

/**
 * Returns the digest of a teacher's file.
 * @throws InvalidInputError (`no-teacher`)
 */
export function teacherDigest(teacher: string): Promise<string> {
  return digestOfTeacher(resolve(teacher)).catch((cause: unknown) => {
    const why = (cause as NodeJS.ErrnoException).code === "ENOENT" ? "does not exist" : "cannot be read";
    throw new InvalidInputError(
      "no-teacher",
      `the teacher ${teacher} ${why}; name a file that can be read with --teacher or training.distill.teacher`,
      { cause },
    );
  });
}

/** Returns the identity of a teacher. */
export const teacherPart = (of: string, digest: string, shown: string): Part =>
  partFrom("teacher", of, { digest, shown });

/** The identities of a task's data and of their source. */
function dataParts(name: string, paths: readonly string[], source?: CorpusSource): readonly Part[] {
  const data = partFrom("data", name, {
    digest: digestOf(paths.map((path) => basename(path))),
    shown: source === undefined ? "made by the task" : "encoded from the corpus",
  });
  if (source === undefined) return [data];
  const { files, bytes, sha256, tokenizer } = source;
  const shown = `${counted(files, "file")}, ${counted(bytes, "byte")}`;
  return [
    partFrom("corpus", name, { digest: sha256, shown }),
    ...(tokenizer === null
      ? []
      : [partFrom("tokenizer", name, { digest: tokenizer, shown: "tokenizer.json" })]),
    data,
  ];
}

/** Prepares the data of one configured task. `base` is the folder that corpus patterns are relative to. */
export async function prepareTask(
  name: string,
  config: TaskConfig,
  seed: number,
  base: string,
): Promise<PreparedTask> {
  const task = taskOf(config.task as TaskName);
  const options = task.optionsSchema.parse(withPreset(task, config.preset, config.options, config.task));
  const teacher = await teacherParts(name, config);
  if ("corpus" in task) {
    const corpus = task.corpus(options);
    const patterns = withInstalledModules(corpus.patterns, base);
    const { source, ...encoded } = await encodeCorpus({ ...corpus, patterns }, base, options.length);
    const parts = [...dataParts(name, [encoded.trainPath, encoded.validationPath], source), ...teacher];
    return { name, config, length: options.length, kind: "stream", head: "tokens", ...encoded, parts };
  }
  const { train, validation } = task.data(options, createRng(seed));
  const [trainPath, validationPath] = [await keepDataset(train), await keepDataset(validation)];
  return {
    name,
    config,
    vocab: task.vocab(options),
    length: options.length,
    kind: train.kind,
    head: task.head ?? "tokens",
    trainPath,
    validationPath,
    bytesPerToken: 1,
    parts: [...dataParts(name, [trainPath, validationPath]), ...teacher],
  };
}

/** Returns the folder that relative patterns of a configuration file start from. */
export const configFolder = (configPath: string): string => join(resolve(configPath), "..");
