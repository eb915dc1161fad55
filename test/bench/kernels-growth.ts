// Measures how the cost of the bundled engine grows, beside the comparison with a peer: prefill and decode of
// an all-convolution layout over the length, and prefill from one to two threads. Each row is a rate and its
// reference rate of the same round.
import { lower } from "../../candidates/gguf/lower.ts";
import type { Layout } from "../../candidates/layout.ts";
import type { AgentSession } from "../../runner/agent/session.ts";

interface GrowthOptions {
  readonly session: AgentSession;
  readonly name: string;
  readonly layout: Layout;
  readonly isa: string;
  readonly rounds: number;
  /**
   * Runs a measurement. Returns false where others used the machine meanwhile, so that its result is dropped.
   */
  readonly alone: (what: string, run: () => Promise<void>) => Promise<boolean>;
  readonly addPair: (name: string, unit: string, rate: number, against: number) => void;
}

const LENGTHS = [512, 1024, 2048, 4096, 8192];
const SCALED_LENGTH = 1024;

const median = (values: readonly number[]): number => [...values].sort((a, b) => a - b)[values.length >> 1]!;

export async function measureGrowth({ session, name, layout, isa, rounds, alone, addPair }: GrowthOptions) {
  const allConv: Layout = {
    ...layout,
    layers: layout.layers.map((layer) => ({ ...layer, mixer: { op: "conv", kernel: 3 } })),
  };
  const rates = async (of: Layout, contexts: readonly number[], threads: number) => {
    const { plan } = lower(of, { quantization: "q4_0", seed: 1 });
    const { contexts: measured } = await session.request("measure", {
      model: { plan: plan.toString("base64") },
      contexts: [8, ...contexts], // a short run first warms up
      decodeTokens: 24,
      repetitions: 1,
      warmup: { max: 0, tolerance: 0.03 },
      threads,
      isa,
    });
    return measured.slice(1).map(({ context, ttftMs, decodeMs }) => ({
      context,
      prefill: (1e3 * context) / ttftMs[0]!,
      decode: 1e3 / median(decodeMs[0]!),
    }));
  };
  for (let round = 0; round < rounds; round++) {
    let lengths: Awaited<ReturnType<typeof rates>> = [];
    const what = `${name}, all convolutions, 2 threads`;
    const kept = await alone(what, async () => {
      lengths = await rates(allConv, LENGTHS, 2);
    });
    const [shortest, ...longer] = lengths;
    for (const { context, prefill, decode } of kept ? longer : []) {
      addPair(`${what}, prefill ${context} against ${LENGTHS[0]}`, "tokens/s", prefill, shortest!.prefill);
      addPair(`${what}, decode after ${context} against ${LENGTHS[0]}`, "tokens/s", decode, shortest!.decode);
    }
    const scaled = `${name}, prefill ${SCALED_LENGTH}, 2 threads against 1`;
    let pair: number[] = [];
    const scaledKept = await alone(scaled, async () => {
      const of = async (threads: number) => (await rates(layout, [SCALED_LENGTH], threads))[0]!.prefill;
      pair = [await of(2), await of(1)];
    });
    if (scaledKept) addPair(scaled, "tokens/s", pair[0]!, pair[1]!);
  }
}
