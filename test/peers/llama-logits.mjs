// llama.cpp through node-llama-cpp, asked for logits: JSON lines {file, tokens, from, vocab, out, continue, batch, kv} in; the logits of positions from.. are
// written to `out` as little-endian float32 [positions][V], and the greedy continuation of `tokens` comes back as {continuation}.
import { closeSync, openSync, readFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

const { getLlama, LlamaLogLevel } = await import(
  pathToFileURL(join(process.argv[2], "node_modules/node-llama-cpp/dist/index.js")).href
);
const llama = await getLlama({
  gpu: false,
  build: "never",
  logLevel: LlamaLogLevel.error,
  progressLogs: false,
});
const send = (value) => process.stdout.write(`${JSON.stringify(value)}\n`);
const cpu = () => /libggml-cpu-(\w+)\.so/.exec(readFileSync("/proc/self/maps", "utf8"))?.[1] ?? "unknown";

for await (const line of createInterface({ input: process.stdin })) {
  const { file, tokens, from, vocab, out, continue: count, batch = 512, kv = "f16" } = JSON.parse(line);
  const model = await llama.loadModel({ modelPath: file, gpuLayers: 0, useMmap: true });
  const context = await model.createContext({
    contextSize: tokens.length + count + 8,
    threads: 2,
    batchSize: batch,
    sequences: 1,
    // llama.cpp quantises its values' cache only with flash attention.
    ...(kv === "q8_0"
      ? { flashAttention: true, experimentalKvCacheKeyType: "Q8_0", experimentalKvCacheValueType: "Q8_0" }
      : { flashAttention: false }),
  });
  const sequence = context.getSequence();
  const descriptor = openSync(out, "w");
  const row = new Float32Array(vocab);
  await sequence.controlledEvaluate(
    tokens.map((token, i) => (i < from ? token : [token, { generateNext: { logits: true } }])),
    {
      onTokenResult: (_, { next }) => {
        row.fill(Number.NaN);
        for (const [token, logit] of next.logits) row[token] = logit;
        writeSync(descriptor, row);
      },
    },
  );
  closeSync(descriptor);
  await sequence.clearHistory();
  const continuation = [];
  if (count > 0) {
    for await (const token of sequence.evaluate(tokens, { temperature: 0, yieldEogToken: true })) {
      continuation.push(token);
      if (continuation.length >= count) break;
    }
  }
  send({ continuation, cpu: cpu() });
  await context.dispose();
  await model.dispose();
}
