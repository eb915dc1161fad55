// The quality tasks a sweep may train. A new task is a file beside this one and a line here.
import { bytes } from "./bytes.ts";
import { mqar } from "./mqar.ts";
import type { Task } from "./task.ts";

export const tasks = { mqar, bytes } as const;
export type TaskName = keyof typeof tasks;
export const taskNames = Object.keys(tasks) as [TaskName, ...TaskName[]];

/** A task with options of unknown shape: check them with its own `optionsSchema` before use. */
export const taskOf = (name: TaskName): Task<{ length: number }> =>
  tasks[name] as unknown as Task<{ length: number }>;
