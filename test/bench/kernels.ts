// bench:kernels: prefill, decode, peak memory and load of the bundled engine against llama.cpp (node-llama-cpp) on the same GGUF and
// threads, interleaved round by round. Prints a table, or with --json `{machine, rows:[{name, ours, peer, ratio, low, high, unit}]}`;
// ratio is the median of the rounds' ratios, above 1 where we are better. The peer: npm install --prefix test/peers --omit=optional
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { parseArgs } from "node:util";
import { lower } from "../../candidates/gguf/lower.ts";
import { namedLayouts } from "../../candidates/named.ts";
import { openSession } from "../../runner/agent/open-session.ts";
import { localDevice } from "../../runner/devices/device.ts";

const { values: flags } = parseArgs({
  options: {
    models: { type: "string", default: "lfm2-350m,lfm2-1.2b" },
    threads: { type: "string", default: "1,2" },
    contexts: { type: "string", default: "8,512,1024,4096" },
    rounds: { type: "string", default: "5" },
    decode: { type: "string", default: "24" },
    isa: { type: "string", default: "auto" },
    peers: { type: "string", default: "test/peers" },
    folder: { type: "string", default: join(tmpdir(), "edgefront-bench") },
    json: { type: "boolean", default: false },
    help: { type: "boolean", default: false },
  },
});
if (flags.help) {
  console.log(
    "bench:kernels [--models lfm2-350m,lfm2-1.2b] [--threads 1,2] [--contexts 8,512,1024,4096] [--rounds 5] [--decode 24] " +
      "[--isa auto|avx2|avx512] [--peers DIR] [--folder DIR: where the models are kept] [--json]",
  );
  process.exit(0);
}
if (!existsSync(join(flags.peers, "node_modules/node-llama-cpp"))) {
  console.error(`no node-llama-cpp in ${flags.peers}; npm install --prefix test/peers --omit=optional`);
  process.exit(2);
}
const numbers = (list: string): number[] => list.split(",").map(Number);
const contexts = numbers(flags.contexts);
const rounds = Number(flags.rounds);
const decode = Number(flags.decode);

interface Sample {
  ttftMs: number;
  decodeMs: number[];
  peakBytes: number;
}

class Peer {
  private readonly child: ChildProcess;
  private readonly lines: AsyncIterator<string>;

  constructor(file: string, threads: number, vocab: number) {
    const contextSize = Math.max(...contexts) + decode + 8;
    const args = ["test/bench/llama-peer.mjs", flags.peers, file, `${threads}`, `${contextSize}`, `${vocab}`];
    this.child = spawn(process.execPath, args, { stdio: ["pipe", "pipe", "inherit"] });
    this.lines = createInterface({ input: this.child.stdout! })[Symbol.asyncIterator]();
  }
  async next<T>(): Promise<T> {
    const line = await this.lines.next();
    if (line.done) throw new Error("the llama.cpp peer ended");
    return JSON.parse(line.value);
  }
  async ask(context: number): Promise<Sample> {
    this.child.stdin!.write(`${JSON.stringify({ context, decode })}\n`);
    return await this.next();
  }
  close(): void {
    this.child.stdin!.end();
  }
}

const median = (values: readonly number[]): number => {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
};

const say = (text: string): void => void (flags.json ? process.stderr : process.stdout).write(`${text}\n`);
const rows: {
  name: string;
  ours: number;
  peer: number;
  ratio: number;
  low: number;
  high: number;
  unit: string;
}[] = [];

/** One line from pairs taken in the same round. */
function addRow(name: string, pairs: { ours: number; peer: number }[], unit: string, lowerIsBetter = false) {
  const ratios = pairs.map(({ ours, peer }) => (lowerIsBetter ? peer / ours : ours / peer));
  const row = {
    name,
    ours: median(pairs.map(({ ours }) => ours)),
    peer: median(pairs.map(({ peer }) => peer)),
    ratio: median(ratios),
    low: Math.min(...ratios),
    high: Math.max(...ratios),
    unit,
  };
  rows.push(row);
  say(
    `${name}: ${row.ours.toFixed(1)} against ${row.peer.toFixed(1)} ${unit} = ${row.ratio.toFixed(2)}x ` +
      `[${row.low.toFixed(2)}, ${row.high.toFixed(2)}]`,
  );
}

await mkdir(flags.folder, { recursive: true });
const session = await openSession(localDevice());
try {
  for (const name of flags.models.split(",")) {
    const layout = namedLayouts[name as keyof typeof namedLayouts];
    if (!layout) throw new Error(`no layout is called ${name}`);
    const file = join(flags.folder, `${name}.gguf`);
    if (!existsSync(file)) {
      const { plan } = lower(layout, { quantization: "q4_0", seed: 1, vocabulary: true });
      await session.request("materialize", { model: { plan: plan.toString("base64") }, out: file });
    }
    for (const threads of numbers(flags.threads)) {
      const peer = new Peer(file, threads, layout.vocab);
      await peer.next();
      const at = (context: number) => `${name} Q4_0 ${threads} threads, context ${context}`;
      for (const context of contexts) {
        const pairs: { ours: Sample; peer: Sample }[] = [];
        await peer.ask(context); // warm-up, as ours has one
        for (let round = 0; round < rounds; round++) {
          const result = await session.request("measure", {
            model: { path: file },
            contexts: [context],
            decodeTokens: decode,
            repetitions: 1,
            warmup: { max: 1, tolerance: 0.03 },
            threads,
            isa: flags.isa,
          });
          const [entry] = result.contexts;
          pairs.push({
            ours: {
              ttftMs: entry!.ttftMs[0]!,
              decodeMs: entry!.decodeMs[0]!,
              peakBytes: result.memory.peakBytes,
            },
            peer: await peer.ask(context),
          });
        }
        const rate = (of: (s: Sample) => number) =>
          pairs.map(({ ours, peer }) => ({ ours: of(ours), peer: of(peer) }));
        if (context >= 256)
          addRow(
            `prefill, ${at(context)}`,
            rate((s) => (1e3 * context) / s.ttftMs),
            "tokens/s",
          );
        addRow(
          `decode, ${at(context)}`,
          rate((s) => 1e3 / median(s.decodeMs)),
          "tokens/s",
        );
        if (context === Math.max(...contexts))
          addRow(
            `peak memory, ${at(context)}`,
            rate((s) => s.peakBytes / 2 ** 20),
            "MiB",
            true,
          );
      }
      peer.close();
    }
  }
} finally {
  await session.close();
}
if (flags.json)
  console.log(JSON.stringify({ machine: `${cpus()[0]?.model ?? "unknown"}, ${cpus().length} cores`, rows }));
