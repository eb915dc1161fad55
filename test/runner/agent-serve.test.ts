// Sends the agent's serve loop lines that no coordinator would send. It must answer each with one line, stay
// alive, and still work afterwards.
import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { buildAgent } from "../../runner/agent/build.ts";
import { LineSplitter } from "../../runner/devices/line-splitter.ts";
import { hostTarget } from "../../runner/devices/toolchain.ts";
import { childrenOf, isAlive, planOf, until } from "../support/agents.ts";

let path: string;
beforeAll(async () => {
  path = (await buildAgent({ target: hostTarget()!, kind: "agent" })).path;
});

let agent: ChildProcessWithoutNullStreams;
let lines: Record<string, unknown>[];
beforeEach(() => {
  agent = spawn(path, ["serve"], { stdio: "pipe" });
  lines = [];
  const splitter = new LineSplitter((line) => lines.push(JSON.parse(line) as Record<string, unknown>));
  agent.stdout.on("data", (chunk: Buffer) => splitter.push(chunk));
  agent.stdin.on("error", () => {});
});
afterEach(() => {
  agent.kill("SIGKILL");
});
const say = (text: string | Buffer) => agent.stdin.write(text);
const answers = () => lines.filter((line) => line.type === "error" || line.type === "result");
const expectErrors = async (count: number) => {
  await until(`${count} answers`, () => answers().length >= count, 30_000);
  return answers().map((line) => (line.error as { code: string } | undefined)?.code);
};
const verify = (id: string, extra: object = {}) =>
  `${JSON.stringify({ v: 1, id, type: "verify", model: { plan: planOf() }, tokens: [1, 2, 3], ...extra })}\n`;
const expectWorking = async () => {
  const before = answers().length;
  say(verify("alive"));
  await until("a result", () => answers()[before], 10_000);
  expect(answers()[before]).toMatchObject({ v: 1, id: "alive", type: "result" });
};

describe("edgefront-agent serve", () => {
  it("answers each malformed request with one error", async () => {
    const wrong = [
      "garbage",
      "{",
      "[]",
      "null",
      '"text"',
      "{}",
      '{"v":1}',
      '{"v":1,"id":"UPPER","type":"probe"}',
      `{"v":1,"id":"${"x".repeat(33)}","type":"probe"}`,
      '{"v":2,"id":"a","type":"probe"}',
      '{"v":1,"id":"a","type":"format-disk"}',
      '{"v":1,"id":"a","type":7}',
      '{"v":1,"id":"a","type":"probe","timeoutMs":-1}',
      '{"v":1,"id":"a","type":"probe","timeoutMs":1e400}',
      '{"v":1,"id":"\\u0000","type":"probe"}',
      "[".repeat(1_000_000),
      `{"v":1,"id":"a","x":${"[".repeat(60)}${"]".repeat(60)}}`,
      "\u0000\u0001",
    ];
    say(wrong.map((line) => `${line}\n`).join(""));
    say(Buffer.from([0x22, 0xff, 0xfe, 0x22, 0x0a]));
    const codes = await expectErrors(wrong.length + 1);
    expect(codes).toEqual(Array(wrong.length + 1).fill("bad-request"));
    await expectWorking();
  });

  it("refuses a line beyond its cap without keeping it", async () => {
    const chunk = Buffer.alloc(1 << 20, 0x61);
    for (let i = 0; i < 80; i++) {
      if (!say(chunk)) await new Promise((resolve) => agent.stdin.once("drain", resolve));
    }
    say("\n");
    expect(await expectErrors(1)).toEqual(["bad-request"]);
    await expectWorking();
  }, 60_000);

  it("refuses jobs whose fields are wrong, from inside the job", async () => {
    const model = { plan: planOf() };
    const wrong: [string, object][] = [
      ["measure", {}],
      ["measure", { model: 3 }],
      ["measure", { model: { plan: "AAA" } }],
      ["measure", { model: { plan: "AA==", path: "/x" } }],
      ["measure", { model, contexts: [] }],
      ["measure", { model, contexts: [0] }],
      ["measure", { model, contexts: [1e18] }],
      ["measure", { model, contexts: "16" }],
      ["measure", { model, decodeTokens: 1.5 }],
      ["measure", { model, repetitions: 0 }],
      ["measure", { model, warmup: 4 }],
      ["measure", { model, kv: "q3" }],
      ["measure", { model, threads: -1 }],
      ["verify", { model, tokens: [512] }],
      ["verify", { model, tokens: [] }],
      ["verify", { model, tokens: [1], prefill: 2 }],
      ["verify", { model, tokens: [1], logits: "some" }],
      ["materialize", { model }],
      ["train", { model, data: { kind: "poem" } }],
    ];
    for (const [i, [type, body]] of wrong.entries()) {
      say(`${JSON.stringify({ v: 1, id: `w${i}`, type, ...body })}\n`);
      const codes = await expectErrors(i + 1);
      expect(codes[i], JSON.stringify(wrong[i]).slice(0, 200)).toBe("bad-request");
    }
    await expectWorking();
  });

  it("survives plans with any byte damaged", async () => {
    const plan = Buffer.from(planOf(), "base64");
    // A small linear congruential generator, for the same damage on every run.
    let state = 12345;
    const random = (below: number) => {
      state = (state * 1103515245 + 12345) % 2147483648;
      return state % below;
    };
    for (let i = 0; i < 60; i++) {
      const damaged = Buffer.from(plan);
      for (let j = 0; j <= i % 4; j++) damaged[random(damaged.length)] = random(256);
      const before = answers().length;
      say(verify(`d${i}`, { model: { plan: damaged.toString("base64") } }));
      await until("an answer", () => answers()[before]);
      const { type, error } = answers()[before] as { type: string; error?: { code: string } };
      if (type === "error")
        expect(["bad-model", "bad-request", "unsupported", "out-of-memory"]).toContain(error!.code);
    }
    await expectWorking();
  }, 60_000);

  it("is busy while a job runs, and ends on cancel and on the end of its input", async () => {
    const endless = { model: { plan: planOf() }, contexts: [512], decodeTokens: 400, repetitions: 1000 };
    say(`${JSON.stringify({ v: 1, id: "long", type: "measure", ...endless })}\n`);
    const child = await until("the job runs", () => childrenOf(agent.pid!)[0]);
    say('{"v":1,"id":"second","type":"probe"}\n{"v":1,"id":"nobody","type":"cancel"}\n');
    expect(await expectErrors(1)).toEqual(["bad-request"]);
    expect(answers()[0]).toMatchObject({ id: "second" });
    say('{"v":1,"id":"long","type":"cancel"}\n');
    expect(await expectErrors(2)).toEqual(["bad-request", "cancelled"]);
    expect(isAlive(child)).toBe(false);

    say(`${JSON.stringify({ v: 1, id: "again", type: "measure", ...endless })}\n`);
    const next = await until("the job runs", () => childrenOf(agent.pid!)[0]);
    say('{"v":1,"id":"unfinished'); // the input ends in the middle of a line
    agent.stdin.end();
    const code = await new Promise((resolve) => agent.once("exit", resolve));
    expect(code).toBe(0);
    expect(isAlive(next)).toBe(false);
  });

  it("beats every five seconds, and names the running job", async () => {
    say(
      `${JSON.stringify({ v: 1, id: "long", type: "measure", model: { plan: planOf() }, contexts: [512], repetitions: 1000, decodeTokens: 400 })}\n`,
    );
    await until("two heartbeats", () => lines.filter((l) => l.type === "heartbeat").length >= 2, 15_000);
    const [first, second] = lines.filter((l) => l.type === "heartbeat") as {
      uptimeMs: number;
      job: string;
    }[];
    expect(first!.job).toBe("long");
    expect(second!.uptimeMs - first!.uptimeMs).toBeGreaterThan(4500);
    expect(second!.uptimeMs - first!.uptimeMs).toBeLessThan(7000);
  }, 30_000);

  it("does not grow while its reader sleeps", async () => {
    agent.stdout.pause();
    const count = 400_000; // 45 MB of refusals
    const line = '{"v":1,"id":"a","type":"nothing"}\n'.repeat(2000);
    for (let i = 0; i < count / 2000; i++) say(line);
    await new Promise((resolve) => setTimeout(resolve, 2500));
    const peak = Number(/VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${agent.pid}/status`, "utf8"))![1]);
    expect(peak).toBeGreaterThan(20_000); // the agent did queue jobs up to its limit
    expect(peak).toBeLessThan(100_000);
    agent.stdout.resume();
    await until("all refusals", () => lines.length >= count && answers().length === count, 60_000);
    await expectWorking();
  }, 90_000);

  it("ends with its coordinator though its answers were never read", async () => {
    agent.stdout.pause();
    const line = '{"v":1,"id":"a","type":"nothing"}\n'.repeat(2000);
    for (let i = 0; i < 400; i++) say(line);
    await new Promise((resolve) => setTimeout(resolve, 500));
    agent.stdin.destroy();
    agent.stdout.destroy();
    await until("the agent is gone", () => !isAlive(agent.pid!));
  });
});
