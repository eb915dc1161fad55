// bench:trainer: compares tokens per second of native proxy training with PyTorch on the same CPU, threads,
// layouts and data, eager and compiled, interleaved round by round. Prints a table, or with --json `{machine,
// rows:[{name, ours, peer, ratio, low, high, unit, gflops, peakGflops, percentOfPeak}]}`. The peer is the faster
// of the two in each round. `percentOfPeak` is the share of the machine's FMA peak, probed before each layout,
// that the parameters' arithmetic reaches; null with --processor-time, which measures less noisily beside other
// work. PyTorch comes from a Python environment with test/peers/requirements.txt installed.
// --precision bfloat16 compares the native trainer's bfloat16 with its own float32 instead.
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { parameterCounts } from "../../candidates/cost.ts";
import { lower } from "../../candidates/gguf/lower.ts";
import { parseNotation } from "../../candidates/notation.ts";
import { encodeDataset } from "../../profilers/dataset.ts";
import { openSession } from "../../runner/agent/open-session.ts";
import { localDevice } from "../../runner/devices/device-record.ts";
import { numberOf, optionsOf, wholeOf } from "../support/parse-args.ts";

const flags = optionsOf(
  `bench:trainer [--rounds 5] [--seconds 4] [--threads 2] [--rows "m2 d64": those with these words] [--precision bfloat16: against float32, no PyTorch] [--eager: do not compile] [--processor-time: count processor seconds, for machines with other work] [--verbose: each round] [--python F] [--json]`,
  {
    rounds: { type: "string", default: "5" },
    seconds: { type: "string", default: "4" },
    threads: { type: "string", default: "2" },
    rows: { type: "string", default: "" },
    precision: { type: "string", default: "float32" },
    eager: { type: "boolean", default: false },
    python: { type: "string", default: "test/peers/.venv/bin/python" },
    "processor-time": { type: "boolean", default: false },
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

/** Widths of proxies, with the sequences of a batch. FFN width is about 2.67 d. */
const SIZES = [
  { width: 64, ffn: 176, headDim: 16, length: 128, batch: 32 },
  { width: 128, ffn: 352, headDim: 32, length: 256, batch: 16 },
  { width: 256, ffn: 688, headDim: 64, length: 256, batch: 8 },
] as const;

const headerOf = ({ width, ffn, headDim }: { width: number; ffn: number; headDim: number }): string =>
  `v256 d${width} f${ffn} h4/2x${headDim}`;

/** Tokens of a sequence in rows of operators: torch.compile takes minutes to unroll the chunks of longer ones. */
const OPERATOR_LENGTH = 128;

/** Layouts of one operator in two layers; x is the head size. The first two have a floor at every width. */
const OPERATORS: readonly { name: string; layers: (x: number) => string; sizes: number }[] = [
  { name: "m2", layers: (x) => `2[m2(x${x}n${2 * x})]`, sizes: 3 },
  { name: "gdn", layers: (x) => `2[gdn(4/8x${x})]`, sizes: 3 },
  { name: "kda", layers: (x) => `2[kda(4x${x})]`, sizes: 1 },
  { name: "gla", layers: (x) => `2[gla(4x${x})]`, sizes: 1 },
  { name: "lin", layers: (x) => `2[lin(4x${x})]`, sizes: 1 },
  { name: "m1", layers: () => "2[m1]", sizes: 1 },
  { name: "s4d", layers: () => "2[s4d(64)]", sizes: 1 },
  { name: "rtf", layers: () => "2[rtf(16)]", sizes: 1 },
  { name: "ls4", layers: () => "2[ls4(64)]", sizes: 1 },
  { name: "cfc", layers: () => "2[cfc]", sizes: 1 },
  { name: "moe", layers: () => "2[c3~moe(8/2x88)]", sizes: 1 },
  { name: "g", layers: () => "2[g]", sizes: 1 },
  { name: "windows", layers: () => "2[s32]", sizes: 1 },
  { name: "c3", layers: () => "2[c3]", sizes: 1 },
];

/** The mixed layouts of the trainer's floor, then each operator. */
const CASES = [
  { name: "d64 L4 T128", layers: "2[c3 g]", ...SIZES[0] },
  { name: "d128 L8 T256", layers: "2[c3 c3 g] c3 g", ...SIZES[1] },
  { name: "d256 L8 T256", layers: "2[c3 c3 g] c3 g", ...SIZES[2] },
  { name: "d128 L16 T512", layers: "4[c3 c3 g] 2[c3 g]", ...SIZES[1], length: 512, batch: 8 },
  ...OPERATORS.flatMap(({ name, layers, sizes }) =>
    SIZES.slice(0, sizes).map((size) => ({
      ...size,
      name: `${name} d${size.width} T${OPERATOR_LENGTH}`,
      layers: layers(size.headDim),
      length: OPERATOR_LENGTH,
      batch: (size.length * size.batch) / OPERATOR_LENGTH,
    })),
  ),
].filter(({ name }) => flags.rows.split(" ").every((word) => word === "" || name.split(" ").includes(word)));
if (CASES.length === 0) {
  console.error(`--rows "${flags.rows}": no row has all of these words in its name`);
  process.exit(2);
}

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
  ): Promise<{ seconds: number; processorSeconds: number; parameters: number; version: string }> {
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

/** Returns the processor time of the ended children of a process. Each training run is one. */
async function processorSeconds(pid: number): Promise<number> {
  const stat = await readFile(`/proc/${pid}/stat`, "utf8");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[13]) + Number(fields[14])) / 100; // in ticks of Linux
}

const session = await openSession(localDevice());
const { pid } = await session.hello;
const peers: Readonly<Record<string, Peer>> = rounded
  ? {}
  : { eager: new Peer(), ...(flags.eager ? {} : { compiled: new Peer() }) };
const rows = [];
let peakGflops = 0;
try {
  for (const { name, layers, length, batch, ...size } of CASES) {
    const layout = parseNotation(`${headerOf(size)} : ${layers}`);
    const plan = lower(layout, { quantization: "f32", seed: 1 }).plan.toString("base64");
    const perStep = length * batch;
    const train = (steps: number, exact = !rounded) =>
      session.request("train", {
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
    const native = async (exact = !rounded): Promise<number> => {
      const steps = stepsFor(probe.tokensPerSecond);
      const before = await processorSeconds(pid);
      const { tokensPerSecond } = await train(steps, exact);
      if (!flags["processor-time"]) return tokensPerSecond;
      return (steps * perStep) / ((await processorSeconds(pid)) - before);
    };
    let parameters = 0;
    const peerRates = new Map<string, number>();
    for (const [kind, peer] of Object.entries(peers)) {
      await peer.ask({
        plan,
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
    const probe = await train(3);
    if (rounded) parameters = probe.parameters;
    if (probe.parameters !== parameters)
      throw new Error(`${name}: ${probe.parameters} parameters, the peer has ${parameters}`);
    const stepsFor = (rate: number): number => Math.max(3, Math.round((seconds * rate) / perStep));
    peakGflops = Math.max(peakGflops, (await session.request("probe", { threads })).fp32Gflops);
    const samples: { ours: number; peer: number; kind: string }[] = [];
    for (let round = 0; round < rounds; round++) {
      const ours = await native();
      let best = rounded ? { peer: await native(true), kind: "float32" } : { peer: 0, kind: "" };
      for (const [kind, peer] of Object.entries(peers)) {
        const steps = stepsFor(peerRates.get(kind)!);
        const answer = await peer.ask({ steps });
        const rate = (steps * perStep) / answer[flags["processor-time"] ? "processorSeconds" : "seconds"];
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
      unit: flags["processor-time"] ? "tokens/s of processor time" : "tokens/s",
    };
    // 6 FLOPs per parameter that a token uses (forward 2, backward 4). The tied embedding counts as the output
    // matrix; attention scores and states do not count. The probe counts seconds, so processor time has no peak.
    const gflops = (6 * parameterCounts(layout).active * row.ours) / 1e9;
    const percentOfPeak = flags["processor-time"] ? null : (100 * gflops) / peakGflops;
    rows.push({ ...row, gflops, peakGflops, percentOfPeak });
    const ofPeak =
      percentOfPeak === null ? "" : ` = ${percentOfPeak.toFixed(0)}% of ${peakGflops.toFixed(0)}`;
    say(
      `${row.name}: ${row.ours.toFixed(0)} against ${row.peer.toFixed(0)} ${row.unit} = ${row.ratio.toFixed(2)}x ` +
        `[${row.low.toFixed(2)}, ${row.high.toFixed(2)}], ${gflops.toFixed(0)} GFLOP/s of parameters${ofPeak}`,
    );
  }
} finally {
  for (const peer of Object.values(peers)) peer.close();
  await session.close();
  await rm(folder, { recursive: true });
}
if (flags.json)
  console.log(JSON.stringify({ machine: `${cpus()[0]?.model ?? "unknown"}, ${cpus().length} cores`, rows }));
