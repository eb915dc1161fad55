// compare:llama: compares our logits with llama.cpp's on the same GGUF, Q4_0 and F16: LFM2-350M's shape and
// random small layouts of the architectures that both know. A layout that llama.cpp runs only padded with zeros
// is compared so. The biases of routers are far apart, so that both engines choose the same experts; compare:torch
// compares routers whose scores decide. Prints KL divergences of the next-token distribution, and whether greedy
// continuations agree. For Q4_0 it also prints reference distances: of each engine from exact arithmetic, and of
// llama.cpp from itself, run token by token or (--control) by another build. The peer: npm install --prefix test/peers --omit=optional
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { parameterCount } from "../../candidates/cost.ts";
import { type Architecture, lower } from "../../candidates/gguf/lower.ts";
import type { Layout } from "../../candidates/layout.ts";
import { formatNotation } from "../../candidates/notation.ts";
import { openSession } from "../../runner/agent/open-session.ts";
import { layoutFrom } from "../../runner/config/layouts.ts";
import { localDevice } from "../../runner/devices/device-record.ts";
import { createRng } from "../../search/rng.ts";
import { optionsOf, refuse, wholeOf } from "../support/parse-args.ts";
import { fileForPeer } from "../support/peer-file.ts";
import { clearTensors, dequantised, separateRouters } from "./dequantise.ts";
import { divergences, floats, largestDifference, mean } from "./divergence.ts";
import { randomLayout } from "./random-layout.ts";

const flags = optionsOf(
  `compare:llama [--named lfm2-350m,lfm2-1.2b] [--random 24] [--only NOTATION] [--seed 1: layouts and tokens] [--weights-seed 1]
  [--quant q4_0,f16] [--positions 256] [--continuation 32] [--kv f16|q8_0] [--isa auto] [--peers test/peers] [--control DIR: another copy of them]
  [--without attn_output: tensors of this name are zeros, so that its operator says nothing] [--json]`,
  {
    named: { type: "string", default: "lfm2-350m" },
    random: { type: "string", default: "24" },
    positions: { type: "string", default: "256" },
    continuation: { type: "string", default: "32" },
    isa: { type: "string", default: "auto" },
    peers: { type: "string", default: "test/peers" },
    seed: { type: "string", default: "1" },
    only: { type: "string", default: "" },
    "weights-seed": { type: "string", default: "1" },
    quant: { type: "string", default: "q4_0,f16" },
    kv: { type: "string", default: "f16" },
    control: { type: "string", default: "" },
    without: { type: "string", default: "" },
    json: { type: "boolean", default: false },
  },
);
if (!existsSync(join(flags.peers, "node_modules/node-llama-cpp"))) {
  console.error(`no node-llama-cpp in ${flags.peers}; npm install --prefix test/peers --omit=optional`);
  process.exit(2);
}

const MAX_LOGITS = 10 * 2 ** 20; // bytes of logits in one answer of the agent
const KL_LIMIT = { q4_0: 1e-3, f16: 1e-5 } as const;
type Quantization = keyof typeof KL_LIMIT;

const random = createRng(wholeOf("seed", flags.seed, 0));

class Peer {
  private readonly child;
  private readonly answers: AsyncIterator<string>;

  constructor(folder: string) {
    this.child = spawn(process.execPath, ["test/peers/llama-logits.mjs", folder], {
      stdio: ["pipe", "pipe", "inherit"],
    });
    this.answers = createInterface({ input: this.child.stdout })[Symbol.asyncIterator]();
  }

  async ask(request: object): Promise<{ continuation: number[]; cpu: string }> {
    this.child.stdin.write(`${JSON.stringify({ kv: flags.kv, ...request })}\n`);
    const line = await this.answers.next();
    if (line.done) throw new Error("the llama.cpp peer ended");
    return JSON.parse(line.value);
  }

  close(): void {
    this.child.stdin.end();
  }
}
const peer = new Peer(flags.peers);
const control = flags.control === "" ? null : new Peer(flags.control);

/** Our logits of the positions from `from` on, [positions][V], requested in pieces that fit an answer. */
async function ourLogits(
  file: string,
  tokens: number[],
  from: number,
  vocab: number,
  options: { prefill?: number; kv?: "f32" | "f16" | "q8_0" } = {},
) {
  const out = new Float32Array((tokens.length - from) * vocab);
  const step = Math.max(1, Math.floor(MAX_LOGITS / (4 * vocab)));
  for (let at = from; at < tokens.length; at += step) {
    const part = tokens.slice(0, at + step);
    const result = await session.request("verify", {
      model: { path: file },
      tokens: part,
      logits: "all",
      from: at,
      isa: flags.isa,
      kv: flags.kv as "f16" | "q8_0",
      ...options,
      ...(options.prefill === undefined ? {} : { prefill: Math.min(options.prefill, part.length) }),
    });
    isa = result.isa;
    out.set(floats(Buffer.from(result.logits, "base64")), (at - from) * vocab);
  }
  return out;
}

/**
 * For each token of the peer's greedy continuation: how far we rank it below our own choice, after decoding
 * all earlier tokens ourselves.
 */
async function greedyMargins(file: string, prompt: number[], continuation: number[], vocab: number) {
  const tokens = [...prompt, ...continuation.slice(0, -1)];
  const logits = await ourLogits(file, tokens, prompt.length - 1, vocab, { prefill: prompt.length });
  return continuation.map((token, i) => {
    const row = logits.subarray(i * vocab, (i + 1) * vocab);
    return row.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY) - row[token]!;
  });
}

interface Row {
  readonly layout: string;
  readonly architecture: Architecture;
  readonly quantization: Quantization;
  /**
   * KL(llama.cpp || ours). For Q4_0, and for F16 above its limit, also of each from exact arithmetic on the
   * same weights.
   */
  readonly meanKl: number;
  readonly maxKl: number;
  readonly exact: { readonly ours: number; readonly peer: number } | null;
  /** Mean KL of llama.cpp from itself: run token by token, and by the control's build (Q4_0). */
  readonly itself: { readonly tokenByToken: number; readonly otherBuild: number | null } | null;
  /**
   * Number of tokens of the continuation that we choose too, the worst margin of the others, and the limit
   * for a tie.
   */
  readonly greedy: {
    readonly same: number;
    readonly of: number;
    readonly margin: number;
    readonly tie: number;
  };
  /**
   * `rounding`: over the limit, but no further from exact arithmetic than llama.cpp. The difference is the
   * cost of int8 (F16: half) activations for this layout. `tie`: a greedy token differs where the two
   * likeliest are nearer than the engines' logits.
   */
  readonly verdict: "ok" | "tie" | "rounding" | "FAIL";
}
const rows: Row[] = [];
let isa = "";
let cpu = "";

async function compare(name: string, layout: Layout, quantization: Quantization): Promise<void> {
  const { vocab } = layout;
  const file = join(folder, "model.gguf");
  const lowered = lower(layout, {
    quantization,
    seed: wholeOf("weights-seed", flags["weights-seed"], 0),
    vocabulary: true,
  });
  const { plan } = lowered;
  await session.request("materialize", { model: { plan: plan.toString("base64") }, out: file });
  const bytes = readFileSync(file);
  if (flags.without !== "" && clearTensors(bytes, layout, quantization, flags.without) === 0)
    refuse(`--without ${flags.without}: no tensor of ${name} has it in its name`);
  if (separateRouters(bytes, layout, quantization) > 0 || flags.without !== "") writeFileSync(file, bytes);
  const { architecture, file: peerFile } = await fileForPeer(
    layout,
    lowered,
    quantization,
    file,
    join(folder, "padded.gguf"),
  );
  const tokens = Array.from({ length: wholeOf("positions", flags.positions) }, () => random.below(vocab));
  const out = join(folder, "peer.f32");
  const continuing = quantization === "f16" ? wholeOf("continuation", flags.continuation, 0) : 0;
  const answer = await peer.ask({ file: peerFile, tokens, from: 0, vocab, out, continue: continuing });
  cpu = answer.cpu;
  const peers = floats(readFileSync(out));
  const ours = await ourLogits(file, tokens, 0, vocab);
  const kl = divergences(peers, ours, vocab);
  const meanKl = mean(kl);

  let itself: Row["itself"] = null;
  if (quantization === "q4_0") {
    const again = async (other: Peer, batch: number): Promise<number> => {
      await other.ask({ file: peerFile, tokens, from: 0, vocab, out, continue: 0, batch });
      return mean(divergences(peers, floats(readFileSync(out)), vocab));
    };
    const otherBuild = control === null ? null : await again(control, 512);
    itself = { tokenByToken: await again(peer, 1), otherBuild };
  }
  let exact: Row["exact"] = null;
  if ((quantization === "q4_0" || meanKl >= KL_LIMIT[quantization]) && parameterCount(layout) < 5e8) {
    writeFileSync(file, dequantised(readFileSync(file), layout, quantization));
    const truth = await ourLogits(file, tokens, 0, vocab, { kv: "f32" });
    exact = { ours: mean(divergences(truth, ours, vocab)), peer: mean(divergences(truth, peers, vocab)) };
  }
  const margins =
    continuing > 0 ? await greedyMargins(file, tokens, answer.continuation, vocab) : ([] as number[]);
  const greedy = {
    same: margins.filter((margin) => margin === 0).length,
    of: margins.length,
    margin: Math.max(0, ...margins),
    tie: 2 * largestDifference(peers, ours, vocab),
  };
  const explained = exact !== null && exact.ours <= 1.1 * exact.peer;
  const klVerdict = meanKl < KL_LIMIT[quantization] ? "ok" : explained ? "rounding" : "FAIL";
  const row: Row = {
    layout: name,
    architecture,
    quantization,
    meanKl,
    maxKl: Math.max(...kl),
    exact,
    itself,
    greedy,
    verdict:
      greedy.margin > greedy.tie ? "FAIL" : klVerdict === "ok" && greedy.same < greedy.of ? "tie" : klVerdict,
  };
  rows.push(row);
  if (flags.json) return;
  const own = itself
    ? ` (llama.cpp from itself: token by token ${itself.tokenByToken.toExponential(1)}` +
      `${itself.otherBuild === null ? "" : `, other build ${itself.otherBuild.toExponential(1)}`})`
    : "";
  const share = exact
    ? ` (from exact: ours ${exact.ours.toExponential(1)}, llama.cpp ${exact.peer.toExponential(1)})`
    : "";
  const same =
    greedy.of > 0
      ? ` greedy ${greedy.same}/${greedy.of}` +
        (greedy.same < greedy.of
          ? ` (a tie: margin ${greedy.margin.toExponential(1)}, engines differ by ${(greedy.tie / 2).toExponential(1)})`
          : "")
      : "";
  console.log(
    `${row.verdict.padEnd(8)} ${architecture.padEnd(5)} ${quantization.padEnd(4)} mean KL ${meanKl.toExponential(2)} ` +
      `max ${row.maxKl.toExponential(1)}${own}${share}${same}  ${name}`,
  );
}

const folder = mkdtempSync(join(tmpdir(), "edgefront-compare-"));
const session = await openSession(localDevice());
try {
  const wanted: Architecture[] = [
    "lfm2",
    "lfm2",
    "llama",
    "qwen3",
    "granitehybrid",
    "lfm2moe",
    "qwen35",
    "mamba",
    "mamba2",
    "nemotron_h",
    "falcon-h1",
    "nanbeige",
  ];
  const layouts: [string, Layout][] = [
    ...flags.named
      .split(",")
      .filter(Boolean)
      .map((name): [string, Layout] => [name, layoutFrom(name)]),
    ...Array.from({ length: wholeOf("random", flags.random, 0) }, (_, i): [string, Layout] => {
      const layout = randomLayout(wanted[i % wanted.length]!, random);
      return [formatNotation(layout), layout];
    }),
  ];
  for (const quantization of (["q4_0", "f16"] as const).filter((name) => flags.quant.includes(name)))
    for (const [name, layout] of layouts)
      if (name.includes(flags.only)) await compare(name, layout, quantization);
} finally {
  peer.close();
  control?.close();
  await session.close();
  rmSync(folder, { recursive: true, force: true });
}
const counted = (verdict: Row["verdict"]): number => rows.filter((row) => row.verdict === verdict).length;
if (flags.json) console.log(JSON.stringify({ isa, peerCpu: cpu, rows }));
else
  console.log(
    `ours: ${isa}; llama.cpp: ${cpu}. ${counted("ok") + counted("tie")} within limits ` +
      `(${counted("tie")} with a tie in the continuation), ${counted("rounding")} over by rounding that both share, ` +
      `${counted("FAIL")} failed`,
  );
process.exitCode = counted("FAIL") > 0 ? 1 : 0;
