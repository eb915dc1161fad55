// An agent that only pretends to measure, for faults and for load. It answers at once, with numbers that
// depend on the model alone, and misbehaves as its script says. Bundled into one file and started by a real
// sshd like the real agent. Its answers were never measured.
import { appendFileSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { measurement, parametersOf, probe, type Request, training, VERIFIED } from "./agent-answers.ts";
import type { AgentScript, Misbehaviour } from "./agent-script.ts";

/** Misbehaves towards one job. Output is written completely, or the process dies trying. */
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
      // One line without end, in the smallest packets that a program can produce.
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
      // Not even a heartbeat any more. Only the end of its connection ends it.
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
  /** Records that a measurement begins. Returns its number. */
  readonly count: () => number;
  /** Records that the measurement has ended. */
  readonly end?: () => void;
}

/** Greets, sends heartbeats, and returns the function that answers requests. */
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

/** Returns a function that takes a byte stream and calls back for each request in it. */
export function eachRequest(answer: (request: Request) => void): (chunk: Buffer | string) => void {
  let rest = "";
  return (chunk) => {
    const lines = (rest + chunk.toString()).split("\n");
    rest = lines.pop()!;
    for (const line of lines) answer(JSON.parse(line) as Request);
  };
}

/**
 * Serves on stdin and stdout. `home` holds the script, the log of jobs (one byte each), and a log of when
 * each began (`<`) and ended (`>`).
 */
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
