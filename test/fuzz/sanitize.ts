// test:sanitize: runs the C++ tests with the address and undefined-behaviour sanitizers, by clang++ or else
// g++. Any finding ends a test run with its report. Arguments are parts of test names, as for the test binary
// itself.
import { spawnSync } from "node:child_process";
import { buildAgent } from "../../runner/agent/build.ts";
import { CompilerMissingError } from "../../runner/devices/device-errors.ts";
import { hostTarget } from "../../runner/devices/toolchain.ts";

const flags = [
  "-g",
  "-O1",
  "-fsanitize=address,undefined",
  "-fno-sanitize-recover=all",
  "-fno-omit-frame-pointer",
];
const build = (compiler: string) =>
  buildAgent({ target: hostTarget()!, kind: "tests", instrument: { compiler, flags } });
const binary = await build("clang++").catch((error: unknown) => {
  if (error instanceof CompilerMissingError) return build("g++");
  throw error;
});
console.log(`${binary.compiler}: ${flags.slice(2, 4).join(" ")}`);
const run = spawnSync(binary.path, process.argv.slice(2), { stdio: "inherit" });
process.exitCode = run.status === 0 ? 0 : 1;
