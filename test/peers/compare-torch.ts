// compare:torch: compares our logits with those of transformers' classes in PyTorch. Weights are F32 from a
// seed through our own GGUF writer, the cache is F32: LFM2-350M and small hybrids, among them one whose layers
// share (the peer applies its modules again). Fails above a relative error of 1e-4 (max |a-b| / max |b| over
// all logits). Then mixers.py compares mixers of the PyTorch trainer, which our kernels are compared with elsewhere,
// with modules of other libraries. The peer: a virtual environment with test/peers/requirements.txt, named with
// --python.
import { execFileSync, spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { lower } from "../../candidates/gguf/lower.ts";
import type { Layer, Layout } from "../../candidates/layout.ts";
import { attentionOf } from "../../candidates/ops/attention.ts";
import { huggingFaceConfig } from "../../candidates/ops/upstream/architectures.ts";
import { gatedConfig, qwen35 } from "../../candidates/ops/upstream/qwen35.ts";
import { kvSources, weightSources } from "../../candidates/sharing.ts";
import { openSession } from "../../runner/agent/open-session.ts";
import { layoutFrom } from "../../runner/config/layouts.ts";
import { localDevice } from "../../runner/devices/device-record.ts";
import { optionsOf, wholeOf } from "../support/parse-args.ts";

const LIMIT = 1e-4;
const flags = optionsOf(
  "compare:torch [--python F] [--layouts 'A;B'] [--tokens 160] [--isas scalar,avx2,auto] [--json]",
  {
    python: { type: "string", default: "test/peers/.venv/bin/python" },
    layouts: {
      type: "string",
      default:
        "v512 d128 f320 h4/2x32 : c3 g c3;v1000 d192 f500 h6/3x32t10000 : c4 g g c4 c4 g;v300 d256 f704 h2/1x128 : g c2 g c2;v512 d128 f320 h4/2x32n : m2(x32n16) g m2(x32n16);v300 d96 f64 h3/1x32nt10000 : g m2(e3x16n24g2k3) m2(e3x16n24g2k3) g;v512 d128 f320 h4/2x32n : 2[g+m2(x32n16)];v300 d96 f64 h3/1x32nt10000 : 3[g+m2(e1.5x16n24g3k3)];v512 d128 fmoe(4/2x64) h4/2x32 : c3~320 g c3;v512 d160 f320 h4/2x32or16 n2 : c7 g c7 s16(4/2x32ot10000) g c7;v300 d128 f256 h4/1x32r0 : c3 g s8(4/1x32) g;v400 d128 f256 h4/2x32 : 2*[c3 g g<] 2*c3 A=g c3 g< A g<;v300 d96 f160 : gdn(2/4x16/24k3) gdn(2/4x16/24k3);v512 d128 f320 h4/2x32 : gdn(2/4x32) g gdn(2/4x32) g;v300 d96 f0 : m1(n8r5k3) m1(n8r5k3) m1(n8r5k3);v300 d96 f0 : m2(e3x16n24g2k3) m2(e3x16n24g2k3);lfm2-350m",
    },
    tokens: { type: "string", default: "160" },
    isas: { type: "string", default: "scalar,avx2,auto" },
    json: { type: "boolean", default: false },
  },
);
if (!existsSync(flags.python)) {
  console.error(
    `${flags.python} does not exist; name a Python that has torch and transformers with --python`,
  );
  process.exit(2);
}

const tokenCount = wholeOf("tokens", flags.tokens);

/** The layout whose layers have their own weights, keys and values. */
function withoutSharing({ layers, ...rest }: Layout): Layout {
  const own = layers.map(({ weightsOf, mixer, ...layer }): Layer => {
    const attention = attentionOf(mixer);
    return { ...layer, mixer: attention === null ? mixer : { ...attention, kv: undefined } };
  });
  return { ...rest, layers: own };
}

/**
 * The configuration of the peer's model. Attention beside Gated DeltaNet gets the output gates of Qwen3_5, which
 * torch-logits.py fills.
 */
function configOf(layout: Layout) {
  const own = withoutSharing(layout);
  return qwen35.holds(own) ? gatedConfig(own, tokenCount) : huggingFaceConfig(own);
}

const peer = spawn(flags.python, ["test/peers/torch-logits.py"], { stdio: ["pipe", "pipe", "inherit"] });
const answers = createInterface({ input: peer.stdout })[Symbol.asyncIterator]();
const folder = mkdtempSync(join(tmpdir(), "edgefront-compare-"));
const session = await openSession(localDevice());
const rows: { layout: string; isa: string; relativeError: number; pass: boolean }[] = [];

function add(layout: string, isa: string, relativeError: number): void {
  const pass = relativeError < LIMIT;
  rows.push({ layout, isa, relativeError, pass });
  if (!flags.json)
    console.log(`${pass ? "ok  " : "FAIL"} ${isa.padEnd(7)} ${relativeError.toExponential(2)}  ${layout}`);
}

try {
  for (const name of flags.layouts.split(";")) {
    const layout = layoutFrom(name);
    const made = configOf(layout);
    if (!made.ok) throw new Error(`${name}: ${made.reason}`);
    const file = join(folder, "model.gguf");
    const out = join(folder, "peer.f32");
    const { plan } = lower(layout, { quantization: "f32", seed: 1 });
    await session.request("materialize", { model: { plan: plan.toString("base64") }, out: file });
    const tokens = Array.from({ length: tokenCount }, (_, i) => (i * i * 31 + 7 * i) % layout.vocab);
    const weightsFrom = weightSources(layout.layers);
    const kvFrom = kvSources(layout.layers);
    peer.stdin.write(`${JSON.stringify({ file, config: made.config, tokens, out, weightsFrom, kvFrom })}\n`);
    if ((await answers.next()).done) throw new Error("the PyTorch peer ended");
    const bytes = readFileSync(out);
    const { vocab } = layout;
    const want = new Float32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4);
    // Half is prefilled in small chunks, half decoded. The compared positions are the last ones that fit one
    // answer.
    const from = Math.max(0, tokens.length - Math.floor((10 * 2 ** 20) / (4 * vocab)));
    for (const isa of vocab > 10_000 ? ["auto"] : flags.isas.split(",")) {
      const result = await session.request("verify", {
        model: { path: file },
        tokens,
        chunk: 24,
        prefill: tokens.length - 8,
        logits: "all",
        from,
        kv: "f32",
        isa,
      });
      const answer = Buffer.from(result.logits, "base64");
      let worst = 0;
      let largest = 0;
      for (let i = 0; i < answer.length / 4; i++) {
        const b = want[from * vocab + i]!;
        const difference = Math.abs(answer.readFloatLE(4 * i) - b);
        worst = Math.max(worst, difference); // a NaN is kept
        largest = Math.max(largest, Math.abs(b));
      }
      add(name, result.isa, worst / largest);
    }
  }
  const compared = execFileSync(flags.python, ["test/peers/mixers.py"], { encoding: "utf8" });
  for (const line of compared.trim().split("\n")) {
    const { mixer, peer: module, relativeError } = JSON.parse(line);
    add(`${mixer} as ${module}`, "PyTorch", relativeError);
  }
} finally {
  peer.stdin.end();
  await session.close();
  rmSync(folder, { recursive: true, force: true });
}
if (flags.json) console.log(JSON.stringify({ limit: LIMIT, rows }));
process.exitCode = rows.every((row) => row.pass) ? 0 : 1;
