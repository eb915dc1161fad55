// Finds the configuration of a stored sweep, together with the paths of the files that its tasks read. The
// database does not hold these paths.
import { existsSync } from "node:fs";
import { isDeepStrictEqual } from "node:util";
import { InvalidInputError } from "../../candidates/errors.ts";
import { type TaskName, taskOf } from "../../profilers/tasks/task-registry.ts";
import { PACKAGE_ROOT } from "../base/version.ts";
import { readSweepConfig, type SweepConfig, sweepSchema } from "../config/config.ts";
import { withoutPaths } from "../config/without-paths.ts";
import type { Sweep } from "../store/sweep-table.ts";
import { configFolder } from "../training/training-data.ts";

export interface ConfigOfSweep {
  readonly config: SweepConfig;
  /** The folder that relative patterns start from. */
  readonly folder: string;
}

/** Whether the sweep needs its file: a path was left out (`.../name`), or a task reads files. */
const readsFiles = (config: SweepConfig): boolean =>
  JSON.stringify(config).includes('".../') ||
  Object.values(config.score?.tasks ?? {}).some(
    ({ task, training }) => "corpus" in taskOf(task as TaskName) || training.distill !== undefined,
  );

/** Options that were added to the configuration since the sweep began get their defaults. */
function storedConfig(sweep: Sweep): SweepConfig {
  const { success, data } = sweepSchema.safeParse(sweep.config);
  return success ? data : sweep.config;
}

/** A file of that name may hold anything: null where it is no configuration. */
function readable(path: string): SweepConfig | null {
  try {
    return readSweepConfig(path);
  } catch (error) {
    if (error instanceof InvalidInputError) return null;
    throw error;
  }
}

/** Name, seeds and devices may have been set when the sweep was started, so the file may differ in them. */
const comparable = (config: SweepConfig, { name, seed, measure, score }: SweepConfig): SweepConfig =>
  withoutPaths({
    ...config,
    name,
    seed,
    measure: { ...config.measure, devices: measure.devices },
    ...(config.score === undefined || score === undefined
      ? {}
      : { score: { ...config.score, seeds: score.seeds } }),
  });

/** The file's configuration with the values that the sweep ran with; null when the file differs otherwise. */
function asRun(stored: SweepConfig, read: SweepConfig): SweepConfig | null {
  if (!isDeepStrictEqual(comparable(read, stored), withoutPaths(stored))) return null;
  const { name, seed, measure } = stored;
  const devices = measure.devices;
  const score =
    read.score === undefined
      ? {}
      : { score: { ...read.score, seeds: stored.score?.seeds ?? read.score.seeds } };
  return { ...read, name, seed, measure: { ...read.measure, devices }, ...score };
}

/**
 * Returns the configuration of a sweep: from the named file, else as stored when its tasks read no files.
 * Otherwise it looks for a file with the sweep's name in this folder, in configs/ and among those that come
 * with edgefront.
 * @throws InvalidInputError (`config-changed`, `needs-config`)
 */
export function configOf(sweep: Sweep, path: string | undefined): ConfigOfSweep {
  const stored = storedConfig(sweep);
  if (path !== undefined) {
    const config = asRun(stored, readSweepConfig(path));
    if (config !== null) return { config, folder: configFolder(path) };
    throw new InvalidInputError(
      "config-changed",
      `${path} is not the configuration that sweep "${sweep.name}" was started with; restore it, or name another file with --config`,
    );
  }
  if (!readsFiles(stored)) return { config: stored, folder: "." };
  const names = [...new Set([sweep.name, stored.name])];
  const folders = [".", "configs", `${PACKAGE_ROOT}/configs`];
  const places = folders.flatMap((folder) => names.map((name) => `${folder}/${name}.yaml`));
  for (const place of places) {
    if (!existsSync(place)) continue;
    const read = readable(place);
    const config = read === null ? null : asRun(stored, read);
    if (config !== null) return { config, folder: configFolder(place) };
  }
  throw new InvalidInputError(
    "needs-config",
    `sweep "${sweep.name}" trains on files whose paths are not kept; name its YAML file: edgefront select ${sweep.name} --confirm --config FILE`,
  );
}
