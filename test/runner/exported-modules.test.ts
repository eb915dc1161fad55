// Exported PyTorch modules, run by torch: the logits of the kernels for every operator, files both ways, and
// training. test/reports/pytorch-module.test.ts tests what needs no torch.
import { type ChildProcess, spawn } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type LowerOptions, lower } from "../../candidates/gguf/lower.ts";
import { layoutId } from "../../candidates/layout.ts";
import { parseNotation } from "../../candidates/notation.ts";
import { ffns, mixers } from "../../candidates/ops/operator-registry.ts";
import { pytorchModule } from "../../reports/layout/pytorch-module.ts";
import { openSession } from "../../runner/agent/open-session.ts";
import type { AgentSession } from "../../runner/agent/session.ts";
import { localDevice } from "../../runner/devices/device-record.ts";
import { moduleSources } from "../../runner/training/python-sources.ts";
import { temporaryFolder } from "../support/built-cli.ts";
import { torchProblem, torchPython } from "../support/needs.ts";

const TOKENS = Array.from({ length: 40 }, (_, i) => (i * i * 7 + i) % 64);
const header = "v64 d32 f64 h4/2x16 :";
const operators = [
  ...mixers.map(({ name, notation }) => [name, notation.examples] as const),
  ...ffns.map(({ name, notation }) => [name, notation.examples.map((text) => `c3~${text}`)] as const),
];
/** Layouts of every architecture of a GGUF, with every mixer whose parameters a file holds in another form, and shared layers. */
const architectures = {
  lfm2: "v64 d32 f64 h2/1x16 : c3 g c3",
  llama: "v64 d32 f64 h2/1x16n : g g",
  nanbeige: "v64 d32 f64 h2/1x16n : 3*[g g]",
  qwen3: "v64 d32 f64 h2/1x16 : g g",
  granitehybrid: "v64 d32 f64 h2/1x16n : m2(x16n16) g",
  falcon: "v64 d32 f64 h2/1x16n : g+m2(x16n16) g+m2(x16n16)",
  edgefront: `${header} c3^2 g s8(4/1x16or8)^2 m2(x16n16)^2 gdn(2/4x16/8k3) gdn.conv(2x16) m2.conv(e1) c4~96^2 cfc m1 s4d(6) c3~moe(4/2x32)`,
  parallel: `${header} 2*g(4/2x16o)+m2(x16n16) s8+gdn(2/4x16/8k3)^2 g<(4/2x16o)+cfc`,
  sharing: `${header} 2*[c3^2 g(4/2x16o) g<(4/2x16o) m2(x16n16)] 2*s8(4/1x16) s8<(4/1x16)`,
};

describe.skipIf(torchProblem() !== null)("an exported PyTorch module", { timeout: 120_000 }, () => {
  const folder = temporaryFolder();
  let session: AgentSession;
  let sources: ReadonlyMap<string, string>;
  let python: ChildProcess;
  let answers: AsyncIterator<string>;
  let modules = 0;

  beforeAll(async () => {
    session = await openSession(localDevice());
    sources = await moduleSources();
    python = spawn(torchPython, ["test/support/exported-modules.py"], { stdio: ["pipe", "pipe", "inherit"] });
    answers = createInterface({ input: python.stdout! })[Symbol.asyncIterator]();
  });
  afterAll(() => {
    session.close();
    python.stdin!.end();
    folder.remove();
  });

  const path = (name: string): string => join(folder.path, name);
  const plan = (notation: string, options: Partial<LowerOptions> = {}): Buffer =>
    lower(parseNotation(notation), { quantization: "f32", ...options }).plan;

  /** Exports a layout, runs actions on one model of the module, and returns their results. */
  async function run<Results extends unknown[]>(notation: string, ...actions: unknown[][]): Promise<Results> {
    const layout = parseNotation(notation);
    const module = path(`module${modules++}.py`);
    writeFileSync(module, pytorchModule({ id: layoutId(layout), layout }, sources));
    python.stdin!.write(`${JSON.stringify({ module, do: actions })}\n`);
    const { value, done } = await answers.next();
    if (done) throw new Error("Python ended");
    const results = JSON.parse(value) as Results | string;
    if (typeof results === "string") throw new Error(results);
    return results;
  }

  async function kernelLogits(model: { plan: string } | { path: string }): Promise<Float32Array> {
    const request = { model, tokens: TOKENS, prefill: TOKENS.length, chunk: 16, kv: "f32" } as const;
    const { logits } = await session.request("verify", { ...request, logits: "all", checks: false });
    return new Float32Array(new Uint8Array(Buffer.from(logits, "base64")).buffer);
  }

  /** Largest difference, relative to the largest logit. */
  function difference(ours: readonly number[], theirs: Float32Array): number {
    expect(ours.length).toBe(theirs.length);
    const largest = theirs.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    return ours.reduce((most, value, i) => Math.max(most, Math.abs(value - theirs[i]!)), 0) / largest;
  }

  it.each(operators)("%s: computes the kernels' logits from the seed", async (_name, examples) => {
    const notation = `${header} ${examples.join(" ")}`;
    const [logits] = await run<[number[]]>(notation, ["logits", TOKENS]);
    const theirs = await kernelLogits({ plan: plan(notation, { seed: 1 }).toString("base64") });
    expect(difference(logits, theirs)).toBeLessThan(1e-4);
  });

  it.each(Object.entries(architectures))(
    "%s: a saved GGUF is the file of `compile`, and runs in the kernels",
    async (name, notation) => {
      const [saved, made] = [path(`${name}-saved.gguf`), path(`${name}-made.gguf`)];
      const [, before, , , differences] = await run<[null, number[], null, null, Record<string, number>]>(
        notation,
        ...[["save", saved], ["logits", TOKENS], ["disturb"], ["load", saved], ["differences"]],
      );
      expect(readFileSync(saved).subarray(0, plan(notation).length).equals(plan(notation))).toBe(true);
      expect(difference(before, await kernelLogits({ path: saved }))).toBeLessThan(1e-4);
      expect(Math.max(...Object.values(differences))).toBeLessThan(1e-6);

      const model = { plan: plan(notation, { seed: 5 }).toString("base64") };
      await session.request("materialize", { model, out: made });
      const [, seeded, logits] = await run<[null, Record<string, number>, number[]]>(
        notation,
        ...[
          ["load", made],
          ["differences", 5],
          ["logits", TOKENS],
        ],
      );
      // A rate below 0 is held as ln(-rate), which rounds.
      for (const [parameter, value] of Object.entries(seeded))
        expect(value, parameter).toBeLessThan(parameter.endsWith("ssm_a") ? 1e-6 : 1e-30);
      expect(difference(logits, await kernelLogits({ path: made }))).toBeLessThan(1e-4);
    },
  );

  // Largest error of a value of each type, relative to the largest of its tensor. Q4_0 has no code for +8.
  it.each([
    ["f16", "d32", 1e-3],
    ["q8_0", "d32", 0.005],
    ["q4_0", "d32", 0.13],
    // A token table of this width is Q6_K.
    ["q4_0", "d256", 0.13],
  ] as const)("reads %s GGUF files of %s", async (quantization, width, error) => {
    const notation = architectures.edgefront.replace("d32", width);
    const made = path(`${quantization}-${width}.gguf`);
    const model = { plan: plan(notation, { seed: 3, quantization }).toString("base64") };
    await session.request("materialize", { model, out: made });
    const [, differences] = await run<[null, Record<string, number>]>(
      notation,
      ...[
        ["load", made],
        ["differences", 3],
      ],
    );
    expect(Math.max(...Object.values(differences))).toBeLessThan(error);
    if (width === "d256") expect(differences["token_embd.weight"]).toBeLessThan(0.04);
  });

  it("refuses weights of another layout by the first tensor that differs", async () => {
    const other = path("other.safetensors");
    await run(`${header} c3 c3`, ["save", other]);
    const [message] = await run<[string]>(`${header} c3 c4`, ["refusal", other]);
    expect(message).toMatch(/other\.safetensors is of another layout: blk\.1\.shortconv\.conv\.weight is/);
  });

  it("writes and reads safetensors with the names of a GGUF, and half-sized files", async () => {
    const [whole, half, gguf] = [path("w.safetensors"), path("h.safetensors"), path("h.gguf")];
    const results = await run<unknown[]>(
      architectures.edgefront,
      ...[["save", whole], ["disturb"], ["load", whole], ["differences"]],
      ...[["save", half, true], ["disturb"], ["load", half], ["differences"]],
      ...[["save", gguf, true], ["disturb"], ["load", gguf], ["differences"], ["logits", TOKENS]],
    );
    const largest = (at: number): number => Math.max(...Object.values(results[at] as Record<string, number>));
    expect(largest(3)).toBeLessThan(1e-6);
    expect(largest(7)).toBeLessThan(1e-3);
    expect(largest(11)).toBeLessThan(1e-3);
    expect(difference(results[12] as number[], await kernelLogits({ path: gguf }))).toBeLessThan(0.01);

    const bytes = readFileSync(whole);
    const table = JSON.parse(bytes.subarray(8, 8 + Number(bytes.readBigUInt64LE())).toString());
    const { tensors } = lower(parseNotation(architectures.edgefront), { quantization: "f32" });
    expect(Object.keys(table).sort()).toEqual(["__metadata__", ...tensors.map(({ name }) => name)].sort());
    expect(readFileSync(half).length).toBeLessThan(0.7 * bytes.length);
  });

  it("has the trainer's gradients, and trains", async () => {
    writeFileSync(path("plan.gguf"), plan(architectures.edgefront));
    const [gradients, losses] = await run<[number, number[]]>(
      architectures.edgefront,
      ...[
        ["gradients", path("plan.gguf")],
        ["train", 20],
      ],
    );
    expect(gradients).toBeLessThan(1e-6);
    expect(losses.at(-1)).toBeLessThan(0.8 * losses[0]!);
  });
});
