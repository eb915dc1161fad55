// One edgefront process at a time on this machine, for every user and every cache folder, in turns and never
// forever. The lock has its own name here, so that other tests do not wait for these.
import { spawn } from "node:child_process";
import { chmodSync, mkdirSync, readdirSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { build } from "esbuild";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { PACKAGE_ROOT } from "../../runner/base/version.ts";
import { until } from "../support/agents.ts";
import { runCli, startCli, temporaryFolder } from "../support/built-cli.ts";

/** Holds the machine for a while, repeatedly, and prints when. */
const PROGRAM = `
import { setTimeout as sleep } from "node:timers/promises";
import { HostLock } from "./runner/farm/host-lock.ts";
const [times, ms, pauseMs] = process.argv.slice(2).map(Number);
const lock = new HostLock();
const signal = new AbortController().signal;
for (let i = 0; i < times; i++) {
  const use = await lock.acquire("local", signal, (holder) => console.log("waits for " + holder));
  console.log("in " + process.hrtime.bigint());
  await sleep(ms);
  console.log("out " + process.hrtime.bigint());
  if (pauseMs > 0) await use.pause(pauseMs);
  use.release();
}
`;

let folder: ReturnType<typeof temporaryFolder>;
let program: string;
let home: ReturnType<typeof temporaryFolder>;
beforeAll(async () => {
  folder = temporaryFolder();
  chmodSync(folder.path, 0o755);
  program = join(PACKAGE_ROOT, "build", `lock-${process.pid}.mjs`);
  await build({
    stdin: { contents: PROGRAM, resolveDir: PACKAGE_ROOT, loader: "ts" },
    outfile: program,
    bundle: true,
    platform: "node",
    format: "esm",
    packages: "external",
    logLevel: "error",
  });
});
afterAll(() => folder.remove());
beforeEach(() => {
  home = temporaryFolder();
});
afterEach(() => home.remove());

interface Given {
  readonly cache?: string;
  readonly uid?: number;
  /** Name of the lock. */
  readonly lock?: string;
  /** A command that starts it. */
  readonly through?: readonly string[];
}

function start(
  args: readonly number[],
  { cache = "cache", uid, lock = `test-${process.pid}`, through = [] }: Given = {},
) {
  const path = join(home.path, cache);
  mkdirSync(path, { recursive: true });
  if (uid !== undefined) chmodSync(path, 0o777);
  chmodSync(home.path, 0o755);
  const [command, ...rest] = [...through, process.execPath, program, ...args.map(String)] as [
    string,
    ...string[],
  ];
  const child = spawn(command, rest, {
    cwd: "/",
    env: {
      PATH: process.env.PATH,
      XDG_CACHE_HOME: path,
      EDGEFRONT_HOST_LOCK: lock,
    },
    stdio: ["ignore", "pipe", "pipe"],
    ...(uid === undefined ? {} : { uid, gid: uid }),
  });
  let said = "";
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding("utf8").on("data", (text: string) => {
      said += text;
    });
  const ended = new Promise<number | null>((resolve) => child.once("close", resolve));
  return { child, ended, said: () => said };
}

const spansOf = (said: string): (readonly [bigint, bigint])[] =>
  [...said.matchAll(/^in (\d+)\nout (\d+)$/gm)].map(([, from, to]) => [BigInt(from!), BigInt(to!)]);

function expectNoOverlap(...said: readonly string[]): void {
  const spans = said.flatMap(spansOf).sort(([a], [b]) => (a < b ? -1 : 1));
  for (const [i, [from]] of spans.entries()) if (i > 0) expect(from).toBeGreaterThanOrEqual(spans[i - 1]![1]);
}

const root = process.geteuid?.() === 0;

describe("a command", { timeout: 60_000 }, () => {
  const layout = "v256 d64 f64 h4/2x16 : c3 g";
  it.each([
    ["measure", [layout, "--contexts", "8", "--tokens", "2", "--repetitions", "1"]],
    ["compile", [layout, "--explain"]],
  ])(
    "%s says whom it waits for, how long and how to change it; --no-wait fails instead",
    async (command, args) => {
      const name = `command-${process.pid}`;
      const holder = start([1, 60_000, 0], { lock: name });
      await until("it holds", () => holder.said().includes("in "), 20_000);
      const env = { EDGEFRONT_HOST_LOCK: name };
      const refused = await runCli([command, ...args, "--no-wait"], home.path, env);
      expect(refused).toMatchObject({ code: 1, stdout: "" });
      expect(refused.stderr).toMatch(
        /^edgefront: this machine is in use by another edgefront process \(process \d+: edgefront\); run this again without --no-wait/,
      );
      const waiting = startCli([command, ...args], home.path, env);
      let said = "";
      waiting.child.stderr!.on("data", (text: string) => {
        said += text;
      });
      await until("it says so", () => said.includes("\n"), 20_000);
      expect(said).toMatch(
        /^this machine is in use by another edgefront process \(process \d+: edgefront\): waiting until its present job ends, at most .* Change: stop that process, or --no-wait$/m,
      );
      holder.child.kill("SIGKILL");
      expect(await waiting.finished).toMatchObject({ code: 0 });
      // The message appears once.
      expect(said.match(/is in use by/g)).toHaveLength(1);
    },
  );
});

describe("the machine", { timeout: 60_000 }, () => {
  it.each([
    ["with the same cache", {}],
    ["with another cache", { cache: "other" }],
    ...(root ? [["of another user", { cache: "theirs", uid: 54321 }] as const] : []),
    ...(root
      ? [
          [
            "in another pid namespace, with another cache",
            { cache: "other", through: ["unshare", "--pid", "--fork"] },
          ] as const,
        ]
      : []),
    // A container: it has neither this network nor these processes, but it shares the cache folder.
    ...(root
      ? [
          [
            "in a container that shares the cache",
            { through: ["unshare", "--net", "--pid", "--fork"] },
          ] as const,
        ]
      : []),
  ] as readonly (readonly [string, Given])[])(
    "is used by one process at a time: another one %s",
    async (_what, given) => {
      const both = [start([6, 60, 0]), start([6, 60, 0], given)];
      expect(await Promise.all(both.map(({ ended }) => ended))).toEqual([0, 0]);
      const [a, b] = both.map(({ said }) => said());
      expect([spansOf(a!).length, spansOf(b!).length]).toEqual([6, 6]);
      expectNoOverlap(a!, b!);
      expect(a! + b!).toMatch(/waits for/);
    },
  );

  it("is handed on to whoever waits, though its holder wants it again at once", async () => {
    const busy = start([40, 100, 0]);
    await until("it holds", () => spansOf(busy.said()).length > 0, 20_000);
    const other = start([1, 10, 0], { cache: "other" });
    expect(await other.ended).toBe(0);
    expect(other.said()).toMatch(/^waits for process \d+: edgefront$/m);
    // Long before the busy process was done.
    expect(spansOf(busy.said()).length).toBeLessThan(30);
    busy.child.kill("SIGKILL");
    await busy.ended;
  });

  it("is free for others while its holder only waits", async () => {
    const resting = start([1, 10, 60_000]);
    await until("it rests", () => spansOf(resting.said()).length > 0, 20_000);
    const other = start([1, 10, 0], { cache: "other" });
    expect(await other.ended).toBe(0);
    expect(other.said()).not.toContain("waits");
    resting.child.kill("SIGKILL");
    await resting.ended;
  });

  it("is free once its holder is killed, and not while a stopped holder lives", async () => {
    const holder = start([1, 60_000, 0]);
    await until("it holds", () => holder.said().includes("in "), 20_000);
    holder.child.kill("SIGSTOP");
    const other = start([1, 10, 0], { cache: "other" });
    await until(
      "the other waits",
      () => other.said().includes("waits for a process that does not answer"),
      20_000,
    );
    await sleep(300);
    expect(spansOf(other.said())).toEqual([]);
    holder.child.kill("SIGKILL");
    expect(await other.ended).toBe(0);
  });

  it("of another boot id is another machine: nodes that share a home do not wait, and their old files go", async () => {
    const cache = join(home.path, "cache", "edgefront");
    mkdirSync(cache, { recursive: true });
    const [old, node] = ["host-lock-old.db", "host-lock-another-node.db"].map((name) => join(cache, name));
    for (const path of [old!, node!]) writeFileSync(path, "");
    utimesSync(old!, 1, 1);
    const { ended } = start([1, 1, 0]);
    expect(await ended).toBe(0);
    const names = readdirSync(cache);
    expect(names).toContain("host-lock-another-node.db");
    expect(names).not.toContain("host-lock-old.db");
    expect(names.filter((name) => name.startsWith("host-lock-"))).toHaveLength(2);
  });
});
