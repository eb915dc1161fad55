// check:exports: opens the files of `edgefront export` and `compile` with the programs that they are for.
// transformers instantiates each config.json with our number of parameters. llama.cpp loads each GGUF and
// continues a text. safetensors and gguf read what each PyTorch module writes. pyarrow reads a Parquet report.
// The peers: python -m venv V && V/bin/pip install -r test/peers/requirements.txt; npm install --prefix
// test/peers --omit=optional
import { execFile, spawn, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { promisify } from "node:util";
import { parameterCount } from "../../candidates/cost.ts";
import { layoutFrom } from "../../runner/config/layouts.ts";
import { optionsOf } from "../support/parse-args.ts";
import { testReportData } from "../support/report-data.ts";
import { rendered, renderedBytes } from "../support/report-formats.ts";

const flags = optionsOf("check:exports [--python python3] [--peers test/peers]", {
  python: { type: "string", default: "python3" },
  peers: { type: "string", default: "test/peers" },
});
const run = promisify(execFile);
const folder = mkdtempSync(join(tmpdir(), "edgefront-exports-"));
const edgefront = async (...args: string[]): Promise<void> => {
  await run(process.execPath, ["dist/runner/cli.js", ...args]);
};
let broken = 0;
function report(name: string, ok: boolean, text: string): void {
  if (!ok) broken++;
  console.log(`${ok ? "ok    " : "BROKEN"} ${name}: ${text}`);
}

/**
 * Published layouts are checked by size alone. Small ones of every class that is written also take a step.
 */
const CONFIGS: Readonly<Record<string, string>> = {
  "lfm2-350m": "Lfm2ForCausalLM",
  "lfm2-1.2b": "Lfm2ForCausalLM",
  "qwen3-0.6b": "Qwen3ForCausalLM",
  "llama-3.2-1b": "LlamaForCausalLM",
  "lfm3-1.7b": "Lfm3ForCausalLM",
  "v512 d64 f160 h4/2x16 : c3 c3 g c3 g": "Lfm2ForCausalLM",
  "v512 d64 f96 h4/1x16 : g c4 g": "Lfm2ForCausalLM",
  "v512 d64 f160 h4/2x16or8 n2 : c7 g s8(4/2x16ot10000) c7": "Lfm3ForCausalLM",
  "v512 d64 f160 h4/2x16n : g g g": "LlamaForCausalLM",
  "v512 d64 f160 h4/2x32 : g g": "Qwen3ForCausalLM",
  "v512 d64 f160 h4/2x16 : s64 g s64 g": "Qwen3ForCausalLM",
  "v512 d64 f160 h4/2x16n : m2(x16n8) g m2(x16n8)": "GraniteMoeHybridForCausalLM",
  "v512 d64 f160 h4/2x16n : g+m2(x16n8) g+m2(x16n8)": "FalconH1ForCausalLM",
};

async function transformers(): Promise<void> {
  const peer = spawn(flags.python, ["test/peers/transformers-count.py"], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  const answers = createInterface({ input: peer.stdout })[Symbol.asyncIterator]();
  for (const [n, [text, expected]] of Object.entries(CONFIGS).entries()) {
    const place = join(folder, `config-${n}`);
    mkdirSync(place);
    await edgefront("export", text, "--format", "config", "--out", join(place, "config.json"));
    peer.stdin.write(`${place}\n`);
    const line = await answers.next();
    if (line.done) throw new Error("the transformers peer ended");
    const found = JSON.parse(line.value) as { class: string; parameters: number; logits: number[] | null };
    const layout = layoutFrom(text);
    const ours = parameterCount(layout);
    const step = found.logits === null || found.logits.join() === `1,5,${layout.vocab}`;
    report(
      `transformers, ${text}`,
      found.class === expected && found.parameters === ours && step,
      `${found.class}, ${found.parameters} parameters, ours ${ours}${found.logits === null ? "" : `, logits ${found.logits.join("x")}`}`,
    );
  }
  peer.stdin.end();
}

const GGUFS = [
  "v512 d128 f320 h4/2x32 : c3 c3 g c3 g",
  "v512 d128 f320 h4/2x32 : g g g",
  "v512 d128 f320 h4/2x32n : g g",
] as const;

async function llama(): Promise<void> {
  const peer = spawn(process.execPath, ["test/peers/llama-logits.mjs", flags.peers], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  const answers = createInterface({ input: peer.stdout })[Symbol.asyncIterator]();
  for (const [n, text] of GGUFS.entries()) {
    const file = join(folder, `${n}.gguf`);
    await edgefront("compile", text, "--out", file, "--weights", "seed:1");
    const { vocab } = layoutFrom(text);
    const request = {
      file: resolve(file),
      tokens: [1, 2, 3, 4],
      from: 3,
      vocab,
      out: join(folder, "logits"),
      continue: 8,
    };
    peer.stdin.write(`${JSON.stringify(request)}\n`);
    const line = await answers.next();
    if (line.done) throw new Error("the llama.cpp peer ended");
    const { continuation } = JSON.parse(line.value) as { continuation: number[] };
    const valid = continuation.length === 8 && continuation.every((token) => token >= 0 && token < vocab);
    report(`llama.cpp, ${text}`, valid, `continues ${continuation.join(" ")}`);
  }
  peer.stdin.end();
}

const MODULES = [...GGUFS, "v512 d64 f160 h4/2x16 : c3 m2(x16n16) s8 gdn(2/2x16)"] as const;

async function modules(): Promise<void> {
  const peer = spawn(flags.python, ["test/peers/module-files.py"], { stdio: ["pipe", "pipe", "inherit"] });
  const answers = createInterface({ input: peer.stdout })[Symbol.asyncIterator]();
  for (const [n, text] of MODULES.entries()) {
    const file = join(folder, `module${n}.py`);
    await edgefront("export", text, "--format", "pytorch", "--out", file);
    peer.stdin.write(`${file}\n`);
    const line = await answers.next();
    if (line.done) throw new Error("the peer of PyTorch modules ended");
    const { parameters, difference } = JSON.parse(line.value) as { parameters: number; difference: number };
    const ours = parameterCount(layoutFrom(text));
    report(
      `safetensors and gguf, ${text}`,
      parameters === ours && difference === 0,
      `${parameters} parameters, ours ${ours}; files differ by ${difference}`,
    );
  }
  peer.stdin.end();
}

/** Checks rows and a checksum of one column, by an independent reader. */
function tables(): void {
  const data = testReportData();
  writeFileSync(join(folder, "report.parquet"), renderedBytes("parquet", data));
  writeFileSync(join(folder, "report.csv"), rendered("csv", data));
  const script = `import csv, json, sys
import pyarrow.parquet as pq
table = pq.read_table(sys.argv[1]).to_pylist()
rows = list(csv.DictReader(open(sys.argv[2], newline="")))
print(json.dumps([len(table), sum(r["value"] or 0 for r in table), len(rows), sum(float(r["ttftMs@1024:laptop"] or 0) for r in rows)]))`;
  const { stdout, stderr } = spawnSync(
    flags.python,
    ["-c", script, join(folder, "report.parquet"), join(folder, "report.csv")],
    { encoding: "utf8" },
  );
  if (stdout === "") {
    report("pyarrow, csv", false, stderr.trim().split("\n").at(-1) ?? "no answer");
    return;
  }
  const found = JSON.parse(stdout) as number[];
  const metrics = data.trials.flatMap(({ metrics: own }) => Object.values(own));
  const ttft = data.trials.map(({ metrics: own }) => own["ttftMs@1024:laptop"]?.value ?? 0);
  const sum = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0);
  const wanted = [
    data.trials.reduce((n, { metrics: own }) => n + Math.max(1, Object.keys(own).length), 0),
    sum(metrics.map(({ value }) => value)),
    data.trials.length,
    sum(ttft),
  ];
  const same = found.every((value, n) => Math.abs(value - wanted[n]!) <= 1e-9 * Math.abs(wanted[n]!));
  report("pyarrow, csv", same, `${found[0]} and ${found[2]} rows, sums agree to 1e-9`);
}

/** Returns whether the peer's Python has these modules. If not, prints which check is skipped. */
function has(...modules: readonly string[]): boolean {
  const found = spawnSync(flags.python, ["-c", `import ${modules.join(", ")}`]).status === 0;
  if (!found) console.log(`skipped: ${modules.join(" and ")} (not in ${flags.python})`);
  return found;
}

try {
  if (has("torch", "transformers")) await transformers();
  if (has("torch", "safetensors", "gguf")) await modules();
  if (has("pyarrow")) tables();
  if (existsSync(join(flags.peers, "node_modules/node-llama-cpp"))) await llama();
  else console.log("skipped: llama.cpp (npm install --prefix test/peers --omit=optional)");
} finally {
  rmSync(folder, { recursive: true, force: true });
}
if (broken > 0) process.exitCode = 1;
