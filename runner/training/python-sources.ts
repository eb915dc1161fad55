// Reads the Python sources that edgefront is shipped with.
import { readdir, readFile } from "node:fs/promises";
import { join, sep } from "node:path";
import { PACKAGE_ROOT } from "../base/version.ts";

/** Returns the sources below a folder of the package, by path in that folder, with `/` between names. */
export async function readPython(folder: string): Promise<Map<string, string>> {
  const root = join(PACKAGE_ROOT, folder);
  const sources = new Map<string, string>();
  for (const file of await readdir(root, { recursive: true }))
    if (file.endsWith(".py"))
      sources.set(file.split(sep).join("/"), await readFile(join(root, file), "utf8"));
  return sources;
}

/** Returns the sources of which an exported PyTorch module is made. */
export const moduleSources = async (): Promise<ReadonlyMap<string, string>> =>
  new Map([...(await readPython("profilers/pytorch")), ...(await readPython("profilers/pytorch-module"))]);
