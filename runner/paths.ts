// Where edgefront keeps files of its own: the user's cache (builds, data sets, locks) and configuration (identities).
import { join } from "node:path";
import envPaths from "env-paths";

/** Asked each time: the environment may name another folder meanwhile. */
const paths = () => envPaths("edgefront", { suffix: "" });

export const cachePath = (...parts: readonly string[]): string => join(paths().cache, ...parts);
export const configPath = (...parts: readonly string[]): string => join(paths().config, ...parts);
