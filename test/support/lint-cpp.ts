// lint:cpp: the format of kernels/ (.clang-format) and clang-tidy's cheap checks (kernels/.clang-tidy), on every file that this processor's
// architecture compiles. Both programs are looked for in EDGEFRONT_CLANG (a folder), then on the PATH.
//   npm run lint:cpp [-- --fix]
import { readFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import { globSync } from "tinyglobby";
import { buildFlags } from "../../runner/agent/kernel-sources.ts";
import { hostTarget } from "../../runner/devices/toolchain.ts";
import { optionsOf } from "./parse-args.ts";

const KERNELS = "kernels";
const flags = optionsOf("lint:cpp [--fix]", { fix: { type: "boolean", default: false } });
const folder = process.env.EDGEFRONT_CLANG;
const program = (name: string): string => (folder === undefined ? name : join(folder, name));

/** Returns whether both programs answer. Where one is missing, says how to get it; in CI that is a failure. */
async function installed(): Promise<boolean> {
  for (const name of ["clang-format", "clang-tidy"]) {
    const { failed } = await execa(program(name), ["--version"], { reject: false });
    if (!failed) continue;
    console.error(
      `skipped: there is no ${name}; install both: pip install -r test/support/requirements-cpp.txt`,
    );
    if (process.env.CI) process.exitCode = 1;
    return false;
  }
  return true;
}

/** Returns what clang-tidy found in a source file, empty if nothing. */
async function tidied(file: string, own: readonly string[]): Promise<string> {
  const compile = ["--", "-std=c++20", "-Wall", "-Wextra", `-I${KERNELS}`, ...own];
  const { failed, stdout, stderr } = await execa(program("clang-tidy"), ["--quiet", file, ...compile], {
    reject: false,
  });
  return failed ? `${stdout}\n${stderr}` : "";
}

async function run(): Promise<void> {
  const sources = globSync(`${KERNELS}/**/*.{h,cc}`).sort();
  const mode = flags.fix ? ["-i"] : ["--dry-run", "-Werror"];
  const format = await execa(program("clang-format"), [...mode, ...sources], { reject: false });
  if (format.failed) {
    console.error(`${format.stderr}\nFormat them: npm run lint:cpp -- --fix`);
    process.exitCode = 1;
  }
  const arch = (hostTarget() ?? "x86_64-linux").replace("-linux", "") as "x86_64" | "aarch64";
  const units = sources.flatMap((file) => {
    if (!file.endsWith(".cc")) return [];
    const own = buildFlags(readFileSync(file, "utf8"), arch, file);
    return own === undefined ? [] : [{ file, own }];
  });
  const left = units.values();
  await Promise.all(
    Array.from({ length: availableParallelism() }, async () => {
      for (const { file, own } of left) {
        const found = await tidied(file, own);
        if (found === "") continue;
        console.error(found);
        process.exitCode = 1;
      }
    }),
  );
  console.log(`${sources.length} files of C++ formatted, ${units.length} checked by clang-tidy`);
}

if (await installed()) await run();
