// Finds the libraries of llama.cpp on this machine: those that the npm package node-llama-cpp brings, or a
// folder that the user names.
import { readdirSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { InvalidInputError } from "../../candidates/errors.ts";

/** The package version whose libraries the agent is written for (kernels/llama/api.h). */
const PACKAGE = "node-llama-cpp@3.22.1";
const PLATFORM = process.arch === "arm64" ? "linux-arm64" : "linux-x64";
const PREBUILT = join("node_modules", "@node-llama-cpp", PLATFORM, "bins", PLATFORM);
/** Places below a named folder: itself, those of CMake, and an npm package in it. */
const PLACES = ["", "bin", join("build", "bin"), "lib", PREBUILT];

function holdsLibrary(folder: string): boolean {
  try {
    return readdirSync(folder).some((name) => /^libllama\..*so/.test(name));
  } catch {
    return false;
  }
}

/** Returns a folder and all that it lies in, the nearest first. */
function upwards(folder: string): readonly string[] {
  const above = dirname(folder);
  return above === folder ? [folder] : [folder, ...upwards(above)];
}

/**
 * Returns the folder of the libraries. Without `named`, they are looked for in the node_modules of the
 * current folder and of those above.
 * @throws InvalidInputError (`runtime-missing`).
 */
export function llamaFolder(named: string | undefined): string {
  const places =
    named === undefined
      ? upwards(process.cwd()).map((folder) => join(folder, PREBUILT))
      : PLACES.map((place) => resolve(named, place));
  const found = places.find(holdsLibrary);
  if (found !== undefined) return found;
  throw new InvalidInputError(
    "runtime-missing",
    named === undefined
      ? `the libraries of llama.cpp are not in node_modules here; install them with npm install ${PACKAGE}, or name their folder: --runtime llama.cpp=/path`
      : `there is no libllama in ${named}; name the folder that holds it, or install one with npm install ${PACKAGE}`,
  );
}
