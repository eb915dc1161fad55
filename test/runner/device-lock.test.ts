// One job at a time on a device: agents of different coordinators, databases and logins take turns on the
// device itself.
import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { join } from "node:path";
import { afterEach, beforeAll, describe, expect, it } from "vitest";
import { buildAgent } from "../../runner/agent/build.ts";
import { LineSplitter } from "../../runner/devices/line-splitter.ts";
import { hostTarget } from "../../runner/devices/toolchain.ts";
import { childrenOf, planOf, until } from "../support/agents.ts";
import { runCli, startCli, temporaryFolder } from "../support/built-cli.ts";
import { sshdProblem } from "../support/needs.ts";
import { startSshd } from "../support/sshd.ts";

interface Line {
  readonly type: string;
  readonly id?: string;
  readonly job?: string | null;
  readonly waiting?: boolean;
  readonly error?: { readonly code: string };
}
interface Agent {
  readonly process: ChildProcessWithoutNullStreams;
  readonly lines: Line[];
  say(request: object): void;
  answer(id: string): Line | undefined;
  isWaiting(): boolean;
}

let path: string;
beforeAll(async () => {
  path = (await buildAgent({ target: hostTarget()!, kind: "agent" })).path;
});

const agents: Agent[] = [];
/** Agents with the same `scope` are on one device. */
function startAgent(scope: string): Agent {
  const child = spawn(path, ["serve"], { stdio: "pipe", env: { EDGEFRONT_HOST_LOCK: scope } });
  const lines: Line[] = [];
  const splitter = new LineSplitter((line) => lines.push(JSON.parse(line) as Line));
  child.stdout.on("data", (chunk: Buffer) => splitter.push(chunk));
  child.stdin.on("error", () => {});
  const agent: Agent = {
    process: child,
    lines,
    say: (request) => child.stdin.write(`${JSON.stringify({ v: 1, ...request })}\n`),
    answer: (id) => lines.find((line) => line.id === id && line.type !== "progress"),
    isWaiting: () => lines.findLast(({ type }) => type === "heartbeat")?.waiting === true,
  };
  agents.push(agent);
  return agent;
}
afterEach(() => {
  for (const agent of agents.splice(0)) agent.process.kill("SIGKILL");
});

const verify = (id: string) => ({ id, type: "verify", model: { plan: planOf() }, tokens: [1, 2, 3] });
const endless = (id: string) => ({
  ...{ id, type: "measure", model: { plan: planOf() } },
  ...{ contexts: [512], decodeTokens: 400, repetitions: 1000 },
});
async function occupied(scope: string): Promise<Agent> {
  const holder = startAgent(scope);
  holder.say(endless("long"));
  await until("the long job runs", () => childrenOf(holder.process.pid!)[0]);
  return holder;
}

describe("two agents on one device", () => {
  it("run one job after the other, and say at once that one waits", async () => {
    const holder = await occupied("device-lock-turns");
    const other = startAgent("device-lock-turns");
    other.say(verify("next"));
    await until("it says that it waits", () => other.isWaiting(), 2000);
    expect(childrenOf(other.process.pid!)).toEqual([]);
    holder.say({ id: "long", type: "cancel" });
    await until("the other's turn", () => other.answer("next"));
    expect(other.answer("next")).toMatchObject({ type: "result" });
  });

  it("let others in after each job, however fast the next one follows", async () => {
    const [busy, other] = [startAgent("device-lock-fair"), startAgent("device-lock-fair")];
    let sent = 0;
    busy.process.stdout.on("data", () => {
      if (busy.answer(`b${sent}`) !== undefined) busy.say(verify(`b${++sent}`));
    });
    const sentAt = new Map<string, number>();
    other.process.stdout.on("data", () => {
      const { id } = other.lines.findLast(({ type }) => type === "result") ?? {};
      if (id !== undefined && !sentAt.has(id)) sentAt.set(id, sent);
    });
    busy.say(verify("b0"));
    await until("some jobs are done", () => sent > 3);
    for (let turn = 0; turn < 5; turn++) {
      const before = sent;
      other.say(verify(`o${turn}`));
      await until("its turn", () => sentAt.has(`o${turn}`));
      // At most three: the one running at the request, one that had begun meanwhile, and the one that waits
      // now.
      expect(sentAt.get(`o${turn}`)! - before).toBeLessThanOrEqual(3);
    }
  });

  it("answer at once what does not compute", async () => {
    await occupied("device-lock-status");
    const other = startAgent("device-lock-status");
    other.say({ id: "status", type: "status" });
    await until("an answer", () => other.answer("status"), 2000);
    expect(other.answer("status")).toMatchObject({ type: "result" });
  });

  it("free the device when they are killed", async () => {
    const holder = await occupied("device-lock-killed");
    const other = startAgent("device-lock-killed");
    other.say(verify("next"));
    await until("it waits", () => other.isWaiting());
    holder.process.kill("SIGKILL");
    await until("the other's turn", () => other.answer("next"));
    expect(other.answer("next")).toMatchObject({ type: "result" });
  });

  it("leave the line when their job is cancelled, and take another one", async () => {
    const holder = await occupied("device-lock-cancelled");
    const [second, third] = [startAgent("device-lock-cancelled"), startAgent("device-lock-cancelled")];
    second.say(verify("given-up"));
    await until("it waits", () => second.isWaiting());
    second.say({ id: "other", type: "status" });
    await until("a refusal", () => second.answer("other"));
    expect(second.answer("other")).toMatchObject({ error: { code: "bad-request" } });
    second.say({ id: "given-up", type: "cancel" });
    await until("it is cancelled", () => second.answer("given-up"));
    expect(second.answer("given-up")).toMatchObject({ error: { code: "cancelled" } });
    third.say(verify("next"));
    await until("it waits", () => third.isWaiting());
    holder.say({ id: "long", type: "cancel" });
    await until("its turn", () => third.answer("next"));
    second.say(verify("again"));
    await until("its turn", () => second.answer("again"));
  });

  it("count a job's time limit from its start", async () => {
    const holder = await occupied("device-lock-limit");
    const other = startAgent("device-lock-limit");
    other.say({ ...verify("next"), timeoutMs: 1000 });
    await new Promise((resolve) => setTimeout(resolve, 1500));
    holder.say({ id: "long", type: "cancel" });
    await until("its turn", () => other.answer("next"));
    expect(other.answer("next")).toMatchObject({ type: "result" });
  });
});

describe.skipIf(sshdProblem() !== null)("two coordinators and one SSH device", { timeout: 240_000 }, () => {
  it("wait for each other though they share no database, or fail at once with --no-wait", async () => {
    const scope = process.env.EDGEFRONT_HOST_LOCK;
    process.env.EDGEFRONT_HOST_LOCK = "device-lock-ssh";
    const sshd = await startSshd().finally(() => {
      if (scope === undefined) delete process.env.EDGEFRONT_HOST_LOCK;
      else process.env.EDGEFRONT_HOST_LOCK = scope;
    });
    const folder = temporaryFolder();
    try {
      const env = {
        XDG_CONFIG_HOME: join(folder.path, "config"),
        SSH_AUTH_SOCK: "",
        // The coordinator pretends to run on another machine, so that only the device itself can separate the
        // two.
        EDGEFRONT_HOST_LOCK: "device-lock-coordinator",
      };
      const edgefront = (...args: string[]) => runCli(args, folder.path, env);
      const added = await edgefront(
        ...["device", "add", "box", "--host", sshd.host, "--port", String(sshd.port), "--user", sshd.user],
        ...["--fingerprint", sshd.hostKey, "--identity", sshd.identityFile, "--threads", "1"],
        ...["--target", hostTarget()!],
      );
      expect(added).toMatchObject({ code: 0 });
      const measure = [
        "measure",
        "v512 d64 f128 h4/2x16 : c3 g",
        "--device",
        "box",
        "--contexts",
        "32",
        "--tokens",
        "4",
      ];
      const holder = await occupied("device-lock-ssh");
      const refused = await edgefront(...measure, "--no-wait");
      expect(refused.code).not.toBe(0);
      expect(refused.stderr).toMatch(/device box is in use by another edgefront process/);
      const waiting = startCli(measure, folder.path, env);
      let said = "";
      waiting.child.stderr!.on("data", (text: string) => {
        said += text;
      });
      await until("it says that it waits", () => said.includes("device box is in use"), 30_000);
      holder.process.kill("SIGKILL");
      expect(await waiting.finished).toMatchObject({ code: 0 });
    } finally {
      await sshd.stop();
      folder.remove();
    }
  });
});
