// llama.cpp through node-llama-cpp, in a process of its own: one GGUF, mapped or read, a thread count; it says that it is started, loads when told by a
// line, and then takes one JSON request a line,
// {"context": n, "decode": k} -> {"ttftMs", "decodeMs": [..]}, timed as the agent's `measure` does (sampling included, greedy).
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

const [, , peers, file, threads, contextSize, vocab, mapped] = process.argv;
const entry = pathToFileURL(join(peers, "node_modules/node-llama-cpp/dist/index.js")).href;
const { getLlama, LlamaLogLevel } = await import(entry);
const llama = await getLlama({
  gpu: false,
  build: "never",
  logLevel: LlamaLogLevel.error,
  progressLogs: false,
});
const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const send = (value) => process.stdout.write(`${JSON.stringify(value)}\n`);
send({ started: true });
await lines.next();
const loading = performance.now();
const model = await llama.loadModel({ modelPath: file, gpuLayers: 0, useMmap: mapped === "true" });
const context = await model.createContext({
  contextSize: Number(contextSize),
  threads: { ideal: Number(threads), min: Number(threads) },
  batchSize: 512,
  sequences: 1,
});
const sequence = context.getSequence();

const M64 = (1n << 64n) - 1n;
function fixedToken(i) {
  let z = (BigInt(i) + 0x9e3779b97f4a7c15n) & M64;
  z = ((z ^ (z >> 30n)) * 0xbf58476d1ce4e5b9n) & M64;
  z = ((z ^ (z >> 27n)) * 0x94d049bb133111ebn) & M64;
  return Number((z ^ (z >> 31n)) % BigInt(vocab));
}

const version = JSON.parse(
  readFileSync(join(dirname(dirname(new URL(entry).pathname)), "package.json"), "utf8"),
).version;
const loadMs = performance.now() - loading; // of model and context; Node's own start and the library's are not counted
const cpu = /libggml-cpu-(\w+)\.so/.exec(readFileSync("/proc/self/maps", "utf8"))?.[1] ?? "unknown";
send({ version, cpu, loadMs });
for await (const line of lines) {
  const { context: count, decode } = JSON.parse(line);
  await sequence.clearHistory();
  const tokens = Array.from({ length: count }, (_, i) => fixedToken(i));
  const start = performance.now();
  const times = [];
  // An end-of-text token drawn by random weights must not stop the run, so the iterator is driven by hand.
  for await (const _ of sequence.evaluate(tokens, { temperature: 0, yieldEogToken: true })) {
    times.push(performance.now());
    if (times.length >= decode) break;
  }
  const hwm = /VmHWM:\s+(\d+)/.exec(readFileSync("/proc/self/status", "utf8"))?.[1];
  send({
    ttftMs: times[0] - start,
    decodeMs: times.slice(1).map((t, i) => t - times[i]),
    peakBytes: Number(hwm) * 1024,
  });
}
