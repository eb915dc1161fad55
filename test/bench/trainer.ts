// bench:trainer: compares tokens per second of native proxy training with PyTorch on the same CPU, threads,
// layouts and data, eager and compiled, interleaved round by round. Prints a table, or with --json `{machine,
// rows:[{name, ours, peer, ratio, low, high, unit}]}`. The peer is the faster of the two in each round. Each
// row also has the share of the machine's FMA peak, probed before each layout, that the parameters'
// arithmetic reaches. PyTorch comes from a Python environment with test/peers/requirements.txt installed.
// --precision bfloat16 compares the native trainer's bfloat16 with its own float32 instead.
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { lower } from "../../candidates/gguf/lower.ts";
import { parseNotation } from "../../candidates/notation.ts";
import { attentionOf } from "../../candidates/ops/attention.ts";
import { convOf } from "../../candidates/ops/conv.ts";
import { ffnWidthOf } from "../../candidates/ops/operator-registry.ts";
import { encodeDataset } from "../../profilers/dataset.ts";
import { openSession } from "../../runner/agent/open-session.ts";
import { localDevice } from "../../runner/devices/device-record.ts";
import { numberOf, optionsOf, wholeOf } from "../support/parse-args.ts";

const flags = optionsOf(
  `bench:trainer [--rounds 5] [--seconds 4] [--threads 2] [--rows d64] [--precision bfloat16: against float32, no PyTorch] [--eager: do not compile] [--verbose: each round] [--python F] [--json]`,
  {
    rounds: { type: "string", default: "5" },
    seconds: { type: "string", default: "4" },
    threads: { type: "string", default: "2" },
    rows: { type: "string", default: "" },
    precision: { type: "string", default: "float32" },
    eager: { type: "boolean", default: false },
    python: { type: "string", default: "test/peers/.venv/bin/python" },
    verbose: { type: "boolean", default: false },
    json: { type: "boolean", default: false },
  },
);
const rounded = flags.precision === "bfloat16";
if (!rounded && flags.precision !== "float32") {
  console.error(`--precision ${flags.precision}: float32 or bfloat16`);
  process.exit(2);
}
if (!rounded && !existsSync(flags.python)) {
  console.error(`${flags.python} does not exist; name a Python that has torch with --python`);
  process.exit(2);
}
const threads = wholeOf("threads", flags.threads);
const rounds = wholeOf("rounds", flags.rounds);
const seconds = numberOf("seconds", flags.seconds);

/** The sizes of the trainer's issue. FFN width is about 2.67 d. */
const CASES = [
  { name: "d64 L4 T128", notation: "v256 d64 f176 h4/2x16 : 2[c3 g]", length: 128, batch: 32 },
  { name: "d128 L8 T256", notation: "v256 d128 f352 h4/2x32 : 2[c3 c3 g] c3 g", length: 256, batch: 16 },
  { name: "d256 L8 T256", notation: "v256 d256 f688 h4/2x64 : 2[c3 c3 g] c3 g", length: 256, batch: 8 },
  { name: "d128 L16 T512", notation: "v256 d128 f352 h4/2x32 : 4[c3 c3 g] 2[c3 g]", length: 512, batch: 8 },
].filter(({ name }) => name.includes(flags.rows));

class Peer {
  private readonly child: ChildProcess;
  private readonly lines: AsyncIterator<string>;

  constructor() {
    this.child = spawn(flags.python, ["test/bench/pytorch-trainer.py"], {
      stdio: ["pipe", "pipe", "inherit"],
      env: { ...process.env, OMP_NUM_THREADS: flags.threads },
    });
    this.lines = createInterface({ input: this.child.stdout! })[Symbol.asyncIterator]();
  }
  async ask(
    request: unknown,
  ): Promise<{ seconds: number; loss: number; parameters: number; version: string }> {
    this.child.stdin!.write(`${JSON.stringify(request)}\n`);
    const line = await this.lines.next();
    if (line.done) throw new Error("the PyTorch peer ended");
    return JSON.parse(line.value);
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

const commonest = (kinds: readonly string[]): string =>
  kinds.reduce((a, b) =>
    kinds.filter((kind) => kind === b).length > kinds.filter((kind) => kind === a).length ? b : a,
  );

const say = (text: string): void => void (flags.json ? process.stderr : process.stdout).write(`${text}\n`);
const folder = await mkdtemp(join(tmpdir(), "edgefront-bench-"));
const stream = join(folder, "stream.efd");
// Bytes of a small Markov chain: enough structure for both losses to fall alike.
let state = 1;
const tokens = Uint16Array.from({ length: 1 << 18 }, () => {
  state = (Math.imul(state, 1103515245) + 12345) >>> 0;
  return (state >>> 16) % 7 === 0 ? (state >>> 20) % 256 : (state >>> 24) % 32;
});
await writeFile(stream, encodeDataset({ kind: "stream", vocab: 256, tokens }));

const session = await openSession(localDevice());
const peers: Readonly<Record<string, Peer>> = rounded
  ? {}
  : { eager: new Peer(), ...(flags.eager ? {} : { compiled: new Peer() }) };
const rows = [];
let peakGflops = 0;
try {
  for (const { name, notation, length, batch } of CASES) {
    const layout = parseNotation(notation);
    const plan = lower(layout, { quantization: "f32", seed: 1 }).plan.toString("base64");
    const layers = layout.layers.map(({ mixer, ffn }) => {
      const attention = attentionOf(mixer);
      return attention === null
        ? ["conv", convOf(mixer)!.kernel, ffnWidthOf(ffn)]
        : ["attention", attention.heads, attention.kvHeads, attention.headDim, ffnWidthOf(ffn)];
    });
    const perStep = length * batch;
    const native = async (steps: number, exact = !rounded) =>
      await session.request("train", {
        model: { plan },
        seed: 1,
        data: { kind: "stream", train: stream, validation: "", length },
        steps,
        batch,
        evalBatches: 0,
        reportEvery: steps,
        threads,
        ...(exact ? {} : { precision: "bfloat16" }),
      });
    let parameters = 0;
    const peerRates = new Map<string, number>();
    for (const [kind, peer] of Object.entries(peers)) {
      await peer.ask({
        layers,
        width: layout.width,
        vocab: 256,
        length,
        batch,
        threads,
        compiled: kind === "compiled",
        stream,
      });
      const probe = await peer.ask({ steps: 3 });
      peerRates.set(kind, (3 * perStep) / probe.seconds);
      parameters = probe.parameters;
    }
    const probe = await native(3);
    if (rounded) parameters = probe.parameters;
    if (probe.parameters !== parameters)
      throw new Error(`${name}: ${probe.parameters} parameters, the peer has ${parameters}`);
    const stepsFor = (rate: number): number => Math.max(3, Math.round((seconds * rate) / perStep));
    peakGflops = Math.max(peakGflops, (await session.request("probe", { threads })).fp32Gflops);
    const samples: { ours: number; peer: number; kind: string }[] = [];
    for (let round = 0; round < rounds; round++) {
      const ours = (await native(stepsFor(probe.tokensPerSecond))).tokensPerSecond;
      let best = { peer: 0, kind: "" };
      if (rounded)
        best = {
          peer: (await native(stepsFor(probe.tokensPerSecond), true)).tokensPerSecond,
          kind: "float32",
        };
      for (const [kind, peer] of Object.entries(peers)) {
        const steps = stepsFor(peerRates.get(kind)!);
        const rate = (steps * perStep) / (await peer.ask({ steps })).seconds;
        if (rate > best.peer) best = { peer: rate, kind };
      }
      samples.push({ ours, ...best });
      if (flags.verbose)
        say(`  round ${round + 1}: ${ours.toFixed(0)} / ${best.peer.toFixed(0)} (${best.kind})`);
    }
    const ratios = samples.map(({ ours, peer }) => ours / peer);
    const row = {
      name: `train ${name} B${batch} (${parameters} parameters, ${threads} threads) ${rounded ? `bfloat16 (${probe.isa})` : ""} / ${rounded ? "" : "PyTorch "}${commonest(samples.map(({ kind }) => kind))}`,
      ours: median(samples.map(({ ours }) => ours)),
      peer: median(samples.map(({ peer }) => peer)),
      ratio: median(ratios),
      low: Math.min(...ratios),
      high: Math.max(...ratios),
      unit: "tokens/s",
    };
    // 6 FLOPs per parameter and token (forward 2, backward 4). The tied embedding counts as the output
    // matrix; attention scores do not count.
    const gflops = (6 * parameters * row.ours) / 1e9;
    const peak = gflops / peakGflops;
    rows.push({ ...row, gflops, peakGflops, peak });
    say(
      `${row.name}: ${row.ours.toFixed(0)} against ${row.peer.toFixed(0)} tokens/s = ${row.ratio.toFixed(2)}x ` +
        `[${row.low.toFixed(2)}, ${row.high.toFixed(2)}], ${gflops.toFixed(0)} GFLOP/s of parameters = ${(100 * peak).toFixed(0)}% of ${peakGflops.toFixed(0)}`,
    );
  }
} finally {
  for (const peer of Object.values(peers)) peer.close();
  await session.close();
  await rm(folder, { recursive: true });
}
if (flags.json)
  console.log(JSON.stringify({ machine: `${cpus()[0]?.model ?? "unknown"}, ${cpus().length} cores`, rows }));
