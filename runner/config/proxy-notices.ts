// Notices about differences that a sweep's proxies cannot see, shown before training and again in the report.
import { Space } from "../../candidates/space.ts";
import { proxySchema } from "../../profilers/proxy.ts";
import { type WindowedTask, windowNotices } from "../../profilers/proxy-windows.ts";
import { withPreset } from "../../profilers/tasks/task.ts";
import { type TaskName, taskOf } from "../../profilers/tasks/task-registry.ts";
import type { SweepConfig } from "./config.ts";
import type { ScoreConfig } from "./config-score.ts";

/** Returns the properties of a configuration's tasks that decide about windows. */
export const windowedTasks = (score: ScoreConfig): readonly WindowedTask[] =>
  Object.entries(score.tasks).map(([name, config]) => {
    const task = taskOf(config.task as TaskName);
    const { length } = task.optionsSchema.parse(
      withPreset(task, config.preset, config.options, config.task),
    ) as { length: number };
    return { name, length, proxy: proxySchema.parse({ ...score.proxy, ...config.proxy }) };
  });

/** Returns notices for all mixers of the space; none for a sweep that trains nothing. */
export const proxyNotices = ({ space, score }: Pick<SweepConfig, "space" | "score">): readonly string[] =>
  score === undefined ? [] : noticesOf(new Space(space), score);

// How far attention reaches in a proxy does not depend on the model's width, so any of the space's widths will do.
const noticesOf = ({ palettes, widths }: Space, score: ScoreConfig): readonly string[] =>
  windowNotices(palettes.flat(), widths[0]!, windowedTasks(score));
