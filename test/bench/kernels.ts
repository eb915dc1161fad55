// bench:kernels: compares prefill, decode, peak memory and load of the bundled engine with llama.cpp
// (node-llama-cpp) on the same GGUF and threads, interleaved round by round. With --samples F the rounds of
// several runs are combined. Prints a table, or with --json `{machine, rows:[{name, ours, peer, ratio, low,
// high, unit}]}`. The ratio is the geometric mean of the rounds' ratios, above 1 where we are better. low and
// high are its 95% interval (Student's t on the logarithms). The peer: npm install --prefix test/peers
// --omit=optional
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { lower } from "../../candidates/gguf/lower.ts";
import { layoutId } from "../../candidates/layout.ts";
import { openSession } from "../../runner/agent/open-session.ts";
import type { AgentSession } from "../../runner/agent/session.ts";
import { layoutFrom } from "../../runner/config/layouts.ts";
import { localDevice } from "../../runner/devices/device-record.ts";
import { numberOf, numbersOf, optionsOf, wholeOf } from "../support/parse-args.ts";
import { fileForPeer } from "../support/peer-file.ts";
import { buildHolder, holdMemory } from "./backed-memory.ts";
import { foreignCpuMs } from "./foreign-cpu.ts";
import { measureGrowth } from "./kernels-growth.ts";

const flags = optionsOf(
  "bench:kernels [--models lfm2-350m,lfm2-1.2b] [--threads 1,2] [--contexts 8,512,1024,4096] [--rounds 5] [--decode 24] " +
    "[--isa auto|avx2|avx512] [--peers DIR] [--folder DIR: where the models are kept] [--samples F: add this run's rounds to those in F] [--foreign 0.05: drop pairs during which others used more of a core] " +
    "[--growth: no peer; over the length for an all-convolution layout, and from 1 to 2 threads] [--json]",
  {
    models: { type: "string", default: "lfm2-350m,lfm2-1.2b" },
    threads: { type: "string", default: "1,2" },
    contexts: { type: "string", default: "8,512,1024,4096" },
    rounds: { type: "string", default: "5" },
    decode: { type: "string", default: "24" },
    isa: { type: "string", default: "auto" },
    peers: { type: "string", default: "test/peers" },
    folder: { type: "string", default: join(tmpdir(), "edgefront-bench") },
    samples: { type: "string" },
    foreign: { type: "string", default: "0.05" },
    growth: { type: "boolean", default: false },
    json: { type: "boolean", default: false },
  },
);
if (!flags.growth && !existsSync(join(flags.peers, "node_modules/node-llama-cpp"))) {
  console.error(`no node-llama-cpp in ${flags.peers}; npm install --prefix test/peers --omit=optional`);
  process.exit(2);
}
const contexts = numbersOf("contexts", flags.contexts, 1);
const rounds = wholeOf("rounds", flags.rounds);
const decode = wholeOf("decode", flags.decode);

interface Sample {
  ttftMs: number;
  decodeMs: number[];
  peakBytes: number;
}

interface Ready {
  version: string;
  cpu: string;
  loadMs: number;
}

class Peer {
  private readonly child: ChildProcess;
  private readonly lines: AsyncIterator<string>;
  readonly started: Promise<unknown>;

  /** `mapped`: the peer maps the file, and repacked weights count twice in its memory; else it reads the file. */
  constructor(file: string, threads: number, vocab: number, mapped: boolean) {
    const longest = Math.max(...contexts) + decode + 8;
    const args = [file, threads, longest, vocab, mapped].map(String);
    this.child = spawn(process.execPath, ["test/bench/llama-peer.mjs", flags.peers, ...args], {
      stdio: ["pipe", "pipe", "inherit"],
    });
    this.lines = createInterface({ input: this.child.stdout! })[Symbol.asyncIterator]();
    this.started = this.next();
  }
  async load(): Promise<Ready> {
    this.child.stdin!.write("load\n");
    return await this.next();
  }
  private async next<T>(): Promise<T> {
    const line = await this.lines.next();
    if (line.done) throw new Error("the llama.cpp peer ended");
    return JSON.parse(line.value);
  }
  async ask(context: number): Promise<Sample> {
    this.child.stdin!.write(`${JSON.stringify({ context, decode })}\n`);
    return await this.next();
  }
  async close(): Promise<void> {
    const ended = once(this.child, "close");
    this.child.stdin!.end();
    await ended;
  }
}

const median = (values: readonly number[]): number => {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
};

const say = (text: string): void => void (flags.json ? process.stderr : process.stdout).write(`${text}\n`);

interface Series {
  readonly unit: string;
  readonly lowerIsBetter: boolean;
  readonly pairs: { readonly ours: number; readonly peer: number }[];
}
const series: Record<string, Series> =
  flags.samples && existsSync(flags.samples) ? JSON.parse(readFileSync(flags.samples, "utf8")) : {};

function addPair(name: string, unit: string, ours: number, peer: number, lowerIsBetter = false): void {
  series[name] ??= { unit, lowerIsBetter, pairs: [] };
  series[name].pairs.push({ ours, peer });
}

/** Called after every round, because a run may be interrupted. */
function keepSamples(): void {
  if (flags.samples) writeFileSync(flags.samples, JSON.stringify(series));
}

/** Two-sided 95% points of Student's t with 1, 2, .. degrees of freedom. */
const T95 = [12.71, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.16, 2.145];

function rowOf(name: string, { unit, lowerIsBetter, pairs }: Series) {
  const logs = pairs.map(({ ours, peer }) => Math.log(lowerIsBetter ? peer / ours : ours / peer));
  const n = logs.length;
  const mean = logs.reduce((a, b) => a + b, 0) / n;
  const variance = logs.reduce((sum, x) => sum + (x - mean) ** 2, 0) / Math.max(1, n - 1);
  const half = n > 1 ? (T95[n - 2] ?? 2.1) * Math.sqrt(variance / n) : Number.NaN;
  return {
    name,
    ours: median(pairs.map(({ ours }) => ours)),
    peer: median(pairs.map(({ peer }) => peer)),
    ratio: Math.exp(mean),
    low: n > 1 ? Math.exp(mean - half) : null,
    high: n > 1 ? Math.exp(mean + half) : null,
    unit,
    rounds: n,
  };
}

/** Runs a step. Returns whether this process and its children were alone on the machine meanwhile. */
async function alone(what: string, run: () => Promise<void>): Promise<boolean> {
  const [foreign, start] = [foreignCpuMs(), performance.now()];
  await run();
  const share = (foreignCpuMs() - foreign) / (performance.now() - start);
  if (share > numberOf("foreign", flags.foreign))
    say(`dropped, others used ${(100 * share).toFixed(0)}% of a core: ${what}`);
  return share <= numberOf("foreign", flags.foreign);
}

const MEASURED = { warmup: { max: 0, tolerance: 0.03 }, repetitions: 1, decodeTokens: decode } as const;
let isa = "";
let peerIs = "";

const HELD_MIB = 2048; // more than any engine takes for these models

/** Returns the peak memory of a peer that reads the file instead of mapping it, in bytes. */
async function peakWithoutMapping(file: string, threads: number, vocab: number, context: number) {
  const peer = new Peer(file, threads, vocab, false);
  await peer.started;
  await peer.load();
  const { peakBytes } = await peer.ask(context);
  await peer.close();
  return peakBytes;
}

/** Measures the interleaved pairs of one round. Each engine is loaded into memory that the host backs. */
async function measureRound(
  session: AgentSession,
  files: { readonly ours: string; readonly peer: string },
  vocab: number,
  where: string,
  threads: number,
) {
  const free = await holdMemory(HELD_MIB);
  const peer = new Peer(files.peer, threads, vocab, true);
  await peer.started;
  await free();
  const { version, cpu, loadMs } = await peer.load();
  peerIs = `node-llama-cpp ${version}, ${cpu}`;
  const first = await peer.ask(8); // also its warm-up
  const longest = Math.max(...contexts);
  let peaks: { readonly ours: number; readonly mapped: number } | null = null;
  for (const context of contexts) {
    const at = `${where}, context ${context}`;
    const ask = () =>
      session.request("measure", {
        ...MEASURED,
        model: { path: files.ours },
        contexts: [8, context], // a short run first warms up ours; its first token is that of a fresh process
        threads,
        isa: flags.isa,
      });
    if (context === contexts[0]) await (await holdMemory(HELD_MIB))();
    let result!: Awaited<ReturnType<typeof ask>>;
    let theirs!: Sample;
    const kept = await alone(at, async () => {
      result = await ask();
      theirs = await peer.ask(context);
    });
    isa = result.isa;
    if (!kept) continue;
    const [, ours] = result.contexts;
    if (context === contexts[0])
      addPair(`load to first token, ${where}`, "ms", result.firstTokenMs, loadMs + first.ttftMs, true);
    if (context >= 256)
      addPair(
        `prefill, ${at}`,
        "tokens/s",
        (1e3 * context) / ours!.ttftMs[0]!,
        (1e3 * context) / theirs.ttftMs,
      );
    addPair(`decode, ${at}`, "tokens/s", 1e3 / median(ours!.decodeMs[0]!), 1e3 / median(theirs.decodeMs));
    if (context === longest) peaks = { ours: result.memory.peakBytes, mapped: theirs.peakBytes };
  }
  await peer.close();
  if (peaks === null) return;
  const read = await peakWithoutMapping(files.peer, threads, vocab, longest);
  for (const [way, bytes] of [
    ["mmap on", peaks.mapped],
    ["mmap off", read],
  ] as const)
    addPair(
      `peak memory, ${way}, ${where}, context ${longest}`,
      "MiB",
      peaks.ours / 2 ** 20,
      bytes / 2 ** 20,
      true,
    );
}

await mkdir(flags.folder, { recursive: true });
buildHolder();
const session = await openSession(localDevice());
try {
  for (const name of flags.models.split(",")) {
    const layout = layoutFrom(name);
    if (flags.growth) {
      await measureGrowth({ session, name, layout, isa: flags.isa, rounds, alone, addPair });
      keepSamples();
      continue;
    }
    const base = join(flags.folder, layoutId(layout));
    const ours = `${base}.gguf`;
    const exact = lower(layout, { quantization: "q4_0", seed: 1, vocabulary: true });
    if (!existsSync(ours))
      await session.request("materialize", { model: { plan: exact.plan.toString("base64") }, out: ours });
    const { file: peer } = await fileForPeer(layout, exact, "q4_0", ours, `${base}-padded.gguf`);
    for (const threads of numbersOf("threads", flags.threads, 1))
      for (let round = 0; round < rounds; round++) {
        await measureRound(session, { ours, peer }, layout.vocab, `${name} Q4_0 ${threads} threads`, threads);
        keepSamples();
      }
  }
} finally {
  await session.close();
}
const rows = Object.entries(series).map(([name, one]) => rowOf(name, one));
const versions = flags.growth ? `ours ${flags.isa}` : `ours ${isa}, peer ${peerIs}`;
const machine = `${cpus()[0]?.model ?? "unknown"}, ${cpus().length} cores; ${versions}`;
say(machine);
for (const row of rows) {
  const interval = row.low === null ? "" : ` [${row.low.toFixed(2)}, ${row.high!.toFixed(2)}]`;
  say(
    `${row.name}: ${row.ours.toFixed(1)} against ${row.peer.toFixed(1)} ${row.unit} = ${row.ratio.toFixed(2)}x${interval}, ` +
      `${row.rounds} rounds`,
  );
}
if (flags.json) console.log(JSON.stringify({ machine, rows }));
