// An agent that only pretends to measure, for faults and for load: it answers at once, with numbers that depend on nothing but the model,
// and misbehaves where its script says. Bundled into one file and started by a real sshd like the real agent; what it says was never
// measured on anything.
import { createHash } from "node:crypto";
import { appendFileSync, existsSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** How a job goes wrong; the rest of the jobs go right. */
export const MISBEHAVIOURS = [
  "garbage",
  "truncated",
  "oversized",
  "flood",
  "bytes",
  "heartbeats",
  "hang",
  "exit",
  "kill",
  "crash",
  "out-of-memory",
  "wrong-output",
  "disk-error",
  "unavailable",
  "late",
  "refuse",
] as const;
export type Misbehaviour = (typeof MISBEHAVIOURS)[number];

/** `script.json` in the agent's home. */
export interface AgentScript {
  /** By the number of the measurement this device is asked for, from 1, over all its agents. */
  readonly jobs?: Readonly<Record<number, Misbehaviour>>;
  /** Every job of a model of so many parameters. */
  readonly parameters?: Readonly<Record<number, Misbehaviour>>;
  readonly jobMs?: number;
  /** How much slower each measurement is, by its number from 1; 1 where none is given. */
  readonly slowdowns?: Readonly<Record<number, number>>;
  /** How far samples of a measurement, and losses of different seeds, lie from what the model alone would give; a share of it. */
  readonly noise?: number;
  /** What the sensor says each time it is asked; the last one from then on. */
  readonly temperatures?: readonly number[];
  /** Free memory each time it is asked; the last one from then on. */
  readonly availableBytes?: readonly number[];
  readonly bootId?: string;
  readonly cpuModel?: string;
  /** Anything else it says of itself when it is probed. */
  readonly probe?: Readonly<Record<string, unknown>>;
  /** The same each time it is probed; the last one from then on. */
  readonly probes?: readonly Readonly<Record<string, unknown>>[];
  /** Anything else it says of a measurement, by its number from 1. */
  readonly results?: Readonly<Record<number, Readonly<Record<string, unknown>>>>;
  /** What it says when a job goes wrong. */
  readonly message?: string;
  /** The only kinds of job it knows: a trainer knows fewer than an agent. */
  readonly only?: readonly string[];
}

/** Reads a little-endian GGUF as far as its tensor table; the number of its parameters. */
function parametersOf(file: Buffer): number {
  let at = 8;
  const u32 = () => {
    at += 4;
    return file.readUInt32LE(at - 4);
  };
  const u64 = () => {
    at += 8;
    return Number(file.readBigUInt64LE(at - 8));
  };
  const text = () => {
    const length = u64();
    at += length;
  };
  const sizes = [1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8];
  const skip = (type: number): void => {
    if (type === 8) text();
    else if (type === 9) {
      const [item, count] = [u32(), u64()];
      for (let i = 0; i < count; i++) skip(item);
    } else at += sizes[type]!;
  };
  const [tensors, entries] = [u64(), u64()];
  for (let i = 0; i < entries; i++) {
    text();
    skip(u32());
  }
  let total = 0;
  for (let i = 0; i < tensors; i++) {
    text();
    total += Array.from({ length: u32() }, u64).reduce((product, n) => product * n, 1);
    u32();
    u64();
  }
  return total;
}

interface Request {
  readonly id: string;
  readonly type: string;
  readonly model?: { readonly plan: string };
  readonly contexts?: readonly number[];
  readonly decodeTokens?: number;
  readonly repetitions?: number;
  readonly steps?: number;
  readonly seed?: number;
  readonly stop?: { readonly every?: number; readonly hopelessStep?: number; readonly hopelessLoss?: number };
  readonly checkpoint?: { readonly path: string; readonly pauseAt?: number };
  readonly out?: string;
}

const times = <T>(n: number, make: () => T): T[] => Array.from({ length: n }, make);

/** From -1 to 1; the same for the same text. */
const wobble = (text: string): number =>
  createHash("sha256").update(text).digest().readUInt32LE(0) / 2 ** 31 - 1;

function measurement(
  { model, contexts = [], decodeTokens = 2, repetitions = 1 }: Request,
  { slowdown = 1, noise = 0 } = {},
) {
  const plan = Buffer.from(model!.plan, "base64");
  const parameters = parametersOf(plan);
  const sha256 = createHash("sha256").update(plan).digest("hex");
  const ms = (1 + parameters / 1e6) * slowdown;
  const bytes = parameters * 4 + 1e6;
  const samples = Array.from({ length: repetitions }, (_, n) => ms * (1 + noise * wobble(`${sha256} ${n}`)));
  return {
    isa: "scalar",
    threads: 1,
    affinity: [0],
    architecture: "edgefront",
    parameters,
    weightsFrom: "seed",
    modelSha256: sha256,
    plan: {
      weightBytes: bytes,
      cacheBytes: 0,
      activationBytes: 0,
      overheadBytes: 0,
      predictedPeakBytes: bytes,
    },
    loadMs: ms,
    firstTokenMs: 2 * ms,
    contexts: contexts.map((context) => ({
      context,
      warmups: 0,
      stable: true,
      ttftMs: samples.map((sample) => sample * context),
      prefillMs: samples.map((sample) => sample * context),
      decodeMs: samples.map((sample) => times(decodeTokens - 1, () => sample)),
    })),
    memory: { peakBytes: bytes, anonBytes: bytes, fileBytes: 0, swapBytes: 0 },
    outputHash: sha256.slice(0, 16),
    frequencyMhz: null,
    temperatureC: 30,
  };
}

/**
 * A loss that falls with the steps and is lower for larger models. The stop rule and the pauses are the real trainer's; a checkpoint is a
 * file with the number of its step, and the loss of a run is that of its steps whether or not it was found.
 */
function training({ model, steps = 1, stop, checkpoint, seed, out }: Request, noise = 0) {
  const plan = Buffer.from(model!.plan, "base64");
  const luck = 1 + noise * wobble(`${parametersOf(plan)} ${seed}`);
  const scale = luck * (1 + 1e4 / parametersOf(plan));
  const lossAt = (step: number): number => scale * (1 + 10 / step);
  const { every = 0, hopelessStep = 0, hopelessLoss = Number.POSITIVE_INFINITY } = stop ?? {};
  const last = Math.min(checkpoint?.pauseAt || steps, steps);
  const kept = checkpoint && existsSync(checkpoint.path) ? Number(readFileSync(checkpoint.path, "utf8")) : 0;
  const looks: [number, number, number][] = [];
  let [done, stopped] = [last, last < steps ? "paused" : "steps"];
  for (let step = every; every > 0 && step < steps && step <= last; step += every) {
    looks.push([step, lossAt(step), 0.5]);
    if (hopelessStep === 0 || step < hopelessStep || lossAt(step) <= hopelessLoss) continue;
    [done, stopped] = [step, "hopeless"];
    break;
  }
  if (out !== undefined) writeFileSync(out, `weights of noise ${noise}`);
  if (checkpoint && stopped === "paused") writeFileSync(checkpoint.path, String(done));
  else if (checkpoint && existsSync(checkpoint.path)) rmSync(checkpoint.path);
  return {
    steps: done,
    resumedFrom: kept > last ? 0 : kept,
    stopped,
    looks,
    trainLoss: [],
    validation: { loss: lossAt(done), accuracy: 0.5, tokens: 1 },
    tokensPerSecond: 1,
    seconds: 1,
    parameters: parametersOf(plan),
    isa: "scalar",
    threads: 1,
    weightsHash: "00",
  };
}

const probe = (script: AgentScript) => ({
  arch: process.arch === "arm64" ? "aarch64" : "x86_64",
  os: "Scripted",
  kernel: "0",
  hostname: null,
  bootId: script.bootId ?? "scripted",
  pageBytes: 4096,
  cpuModel: script.cpuModel ?? "Scripted CPU",
  cores: 1,
  allowedCpus: [0],
  isas: ["scalar"],
  isa: "scalar",
  features: [],
  memoryBytes: 8e9,
  availableBytes: 4e9,
  swapBytes: 0,
  loadAverage: 0,
  emulated: false,
  temperatureC: 30,
  frequencyMhz: null,
  readBandwidthGBs: 10,
  int8Gops: 10,
  fp32Gflops: 10,
  libc: "none",
  compiler: "none",
  ...script.probe,
});

/** Misbehaves towards one job; what it says is written whole, or it dies trying. */
function misbehave(
  how: Misbehaviour,
  request: Request,
  say: (line: string) => void,
  message = "as scripted",
): void {
  const { id } = request;
  const fail = (code: string, signal?: string) =>
    say(JSON.stringify({ v: 1, id, type: "error", error: { code, message, signal } }));
  switch (how) {
    case "garbage":
      say("\u0000\u001b[2J not a line of any protocol");
      break;
    case "truncated": {
      const whole = JSON.stringify({ v: 1, id, type: "result", result: measurement(request) });
      process.stdout.write(whole.slice(0, whole.length / 2), () => process.exit(0));
      break;
    }
    case "oversized":
      say(`{"v":1,"id":"${id}","type":"progress","progress":{"a":"${"x".repeat(17 << 20)}"}}`);
      break;
    case "flood": {
      const line = `${JSON.stringify({ v: 1, id, type: "progress", progress: { a: "x".repeat(1e6) } })}\n`;
      const more = (broken?: Error | null): void => {
        if (broken) process.exit(0);
        process.stdout.write(line, more);
      };
      more();
      break;
    }
    case "bytes": {
      // One line without end, as small a packet at a time as a program can make them.
      const more = (): void => {
        if (process.stdout.destroyed) process.exit(0);
        for (let i = 0; i < 1000; i++) process.stdout.write("x");
        setTimeout(more, 1);
      };
      process.stdout.write(`{"v":1,"id":"${id}",`);
      more();
      break;
    }
    case "heartbeats": {
      const beats = `${JSON.stringify({ v: 1, type: "heartbeat", uptimeMs: 1, job: id })}\n`.repeat(500);
      const more = (broken?: Error | null): void => {
        if (broken) process.exit(0);
        process.stdout.write(beats, more);
      };
      more();
      break;
    }
    case "hang":
      // Not even a heartbeat any more; only the end of its connection ends it.
      clearInterval(heart);
      break;
    case "exit":
      process.exit(3);
      break;
    case "kill":
      process.kill(process.pid, "SIGKILL");
      break;
    case "crash":
      fail("crashed", "SIGILL");
      break;
    case "out-of-memory":
      fail("out-of-memory");
      break;
    case "disk-error":
      fail("io");
      break;
    case "unavailable":
      fail("unavailable");
      break;
    case "refuse":
      fail("bad-model");
      break;
    case "wrong-output":
      say(JSON.stringify({ v: 1, id, type: "result", result: { ...measurement(request), parameters: 1 } }));
      break;
    case "late":
      setTimeout(() => say(JSON.stringify({ v: 1, id, type: "result", result: measurement(request) })), 3000);
  }
}

let heart: NodeJS.Timeout;

export interface AgentHome {
  readonly say: (line: string) => void;
  readonly script: () => AgentScript;
  /** Notes down that a measurement begins; which number it is. */
  readonly count: () => number;
  /** Notes down that it has ended. */
  readonly end?: () => void;
}

/** Greets, beats, and returns what answers a request. */
export function startAgent({ say, script: readScript, count, end }: AgentHome, beatMs = 1000) {
  const { arch } = probe({});
  say(
    JSON.stringify({
      v: 1,
      type: "hello",
      agent: "edgefront-agent",
      version: "0.1.0",
      arch,
      pid: process.pid,
    }),
  );
  const beat = () => say(JSON.stringify({ v: 1, type: "heartbeat", uptimeMs: 1, job: null }));
  heart = setInterval(beat, beatMs);
  const own = heart;
  let looks = 0;
  let probed = 0;
  const answer = (request: Request): void => {
    const script = readScript();
    const result = (value: unknown) =>
      say(JSON.stringify({ v: 1, id: request.id, type: "result", result: value }));
    if (script.only?.includes(request.type) === false) {
      const error = { code: "unsupported", message: "it trains, and does nothing else" };
      say(JSON.stringify({ v: 1, id: request.id, type: "error", error }));
      return;
    }
    if (request.type === "probe") {
      const { probes = [{}] } = script;
      result({ ...probe(script), ...probes[Math.min(probed++, probes.length - 1)] });
    }
    if (request.type === "verify") result(VERIFIED);
    if (request.type === "status") {
      const { temperatures = [30], availableBytes: free = [4e9] } = script;
      const { loadAverage, frequencyMhz, swapBytes, bootId } = probe(script);
      const look = looks++;
      const at = (values: readonly number[]) => values[Math.min(look, values.length - 1)];
      const [temperatureC, availableBytes] = [at(temperatures), at(free)];
      result({ temperatureC, frequencyMhz, loadAverage, availableBytes, swapBytes, bootId });
    }
    if (request.type === "train") result(training(request, script.noise));
    if (request.type !== "measure") return;
    const number = count();
    const { jobs, parameters, jobMs = 0, slowdowns, noise, message, results } = script;
    const conditions = { slowdown: slowdowns?.[number] ?? 1, noise: noise ?? 0 };
    const how = jobs?.[number] ?? parameters?.[parametersOf(Buffer.from(request.model!.plan, "base64"))];
    if (how !== undefined) misbehave(how, request, say, message);
    else
      setTimeout(() => {
        end?.();
        result({ ...measurement(request, conditions), ...results?.[number] });
      }, jobMs);
  };
  return { answer, stop: () => clearInterval(own) };
}

const VERIFIED = {
  isa: "scalar",
  vocab: 256,
  positions: [],
  logits: "",
  checks: [{ name: "chunking", maxRelativeError: 0, tolerance: 1, pass: true }],
};

/** Calls back for each request of a byte stream. */
export function eachRequest(answer: (request: Request) => void): (chunk: Buffer | string) => void {
  let rest = "";
  return (chunk) => {
    const lines = (rest + chunk.toString()).split("\n");
    rest = lines.pop()!;
    for (const line of lines) answer(JSON.parse(line) as Request);
  };
}

/** Serves on stdin and stdout. `home` holds the script, the log of jobs, one byte each, and when each began (`<`) and ended (`>`). */
function serve(home: string): void {
  const log = join(home, "jobs.log");
  const turns = join(home, "turns.log");
  const { answer } = startAgent({
    say: (line) => {
      process.stdout.write(`${line}\n`);
    },
    script: () => {
      try {
        return JSON.parse(readFileSync(join(home, "script.json"), "utf8")) as AgentScript;
      } catch {
        return {};
      }
    },
    count: () => {
      appendFileSync(log, ".");
      appendFileSync(turns, "<");
      return statSync(log).size;
    },
    end: () => appendFileSync(turns, ">"),
  });
  process.stdin.setEncoding("utf8").on("data", eachRequest(answer));
  process.stdin.on("end", () => process.exit(0));
  process.stdout.on("error", () => process.exit(0));
}

if (process.argv[2] === "serve") serve(process.env.HOME ?? ".");
