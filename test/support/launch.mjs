// Bundles a benchmark, a comparison or another development script with esbuild, and runs it: every such line of package.json is
//   node test/support/launch.mjs [bench|compare] NAME [options of the script]
// The exit code is the script's; an unknown name ends with 2. Options after NAME are left to the script (test/support/parse-args.ts).
import { execFileSync, spawn } from "node:child_process";
import { copyFileSync, readdirSync, readFileSync } from "node:fs";
import { constants } from "node:os";
import { basename, dirname, join } from "node:path";
import { buildSync } from "esbuild";

/**
 * Scripts by their names. `built`: the command line and the page are built first, because the script runs them. `beside`: a folder of files
 * that the bundle reads from its own folder. `out`: the bundle, by default build/bench/ENTRY.mjs.
 */
const scripts = JSON.parse(readFileSync(new URL("./launched-scripts.json", import.meta.url), "utf8"));

const [first = "", second = ""] = process.argv.slice(2);
const grouped = first === "bench" || first === "compare";
const name = grouped ? `${first} ${second}`.trim() : first;
const script = scripts[name];
if (script === undefined) {
  const known = Object.keys(scripts).filter((each) => !grouped || each.startsWith(`${first} `));
  const names = known.map((each) => (grouped ? each.slice(first.length + 1) : each)).join(", ");
  const asked = grouped ? second : first;
  const help = asked === "" || asked === "--help";
  const usage = grouped
    ? `npm run ${first} NAME [-- OPTIONS]`
    : "node test/support/launch.mjs NAME [OPTIONS]";
  console[help ? "log" : "error"](
    `${help ? "" : `no ${grouped ? first : "script"} "${asked}"; `}${usage}; names: ${names}`,
  );
  process.exit(asked === "--help" ? 0 : 2);
}

const { entry, built = false, beside, out = `build/bench/${basename(entry, ".ts")}.mjs` } = script;
try {
  if (built) execFileSync("npm", ["run", "--silent", "build"], { stdio: "inherit" });
  buildSync({
    entryPoints: [entry],
    outfile: out,
    bundle: true,
    platform: "node",
    format: "esm",
    packages: "external",
    logLevel: "error",
  });
} catch {
  process.exit(1); // what was wrong has been printed
}
if (beside !== undefined)
  for (const file of readdirSync(beside)) copyFileSync(join(beside, file), join(dirname(out), file));

// A process of its own: the script's memory and time are measured without esbuild.
const child = spawn(process.execPath, [out, ...process.argv.slice(grouped ? 4 : 3)], { stdio: "inherit" });
// The terminal sends Ctrl-C to both: the script decides how it ends. Other signals reach this process alone.
process.on("SIGINT", () => {});
for (const signal of ["SIGTERM", "SIGHUP"]) process.on(signal, () => child.kill(signal));
child.on("exit", (code, signal) => process.exit(code ?? 128 + constants.signals[signal]));
