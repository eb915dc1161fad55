// Lists the quality tasks that a sweep may train. A new task needs a file beside this one and a line here.
import { bytes } from "./bytes.ts";
import { compression } from "./compression.ts";
import { fuzzyRecall } from "./fuzzy-recall.ts";
import { inContextRecall, noisyRecall } from "./in-context-recall.ts";
import { longRecall } from "./long-recall.ts";
import { memorization } from "./memorization.ts";
import { mqar } from "./mqar.ts";
import { selectiveCopying } from "./selective-copying.ts";
import type { Task } from "./task.ts";
import { shards, tokens } from "./tokens.ts";

export const tasks = {
  mqar,
  "in-context-recall": inContextRecall,
  "noisy-recall": noisyRecall,
  "fuzzy-recall": fuzzyRecall,
  "selective-copying": selectiveCopying,
  memorization,
  compression,
  "long-recall": longRecall,
  bytes,
  tokens,
  shards,
} as const;
export type TaskName = keyof typeof tasks;
export const taskNames = Object.keys(tasks) as [TaskName, ...TaskName[]];

/** Returns a task with options of unknown shape. Check them with its own `optionsSchema` before use. */
export const taskOf = (name: TaskName): Task<{ length: number }> =>
  tasks[name] as unknown as Task<{ length: number }>;
