// One sweep over several devices: this machine, and the same machine through a real sshd. Objectives on each,
// the worst, a weighted mean; and the report's statement on how alike the devices rank.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import Database from "better-sqlite3";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parseSweepConfig } from "../../runner/config/config.ts";
import { resolveObjectives } from "../../runner/sweep/metric-names.ts";
import { runCli, temporaryFolder } from "../support/built-cli.ts";
import { sshdProblem } from "../support/needs.ts";
import { startSshd, type TestSshd } from "../support/sshd.ts";
import { writeTinySweep } from "../support/tiny-sweep.ts";

const folder = temporaryFolder();
afterAll(() => folder.remove());

const withObjectives = (objectives: string, devices: readonly string[] = ["local", "box"]): string => {
  const path = writeTinySweep(folder.path, {
    name: "many",
    devices,
    trials: 8,
    train: false,
    // Other work on this machine does not matter here, so the sweep does not wait for it.
    protocol: "{ retries: 1, readiness: { maxLoad: null, deadlineSeconds: 0 } }",
  });
  writeFileSync(path, readFileSync(path, "utf8").replace(/^objectives: .*$/m, `objectives: ${objectives}`));
  return path;
};
const namesOf = (objectives: string, devices?: readonly string[]) =>
  resolveObjectives(parseSweepConfig(readFileSync(withObjectives(objectives, devices), "utf8"), "many.yaml"));

describe("objectives over devices", () => {
  it("are one for each, the worst, or a mean, with the metric's own direction", () => {
    expect(
      namesOf(
        '[{ metric: "ttftMs@32", over: each }, { metric: peakBytes, over: worst }, { metric: "decodeTokensPerSecond@32", over: weighted, weights: { box: 2 } }]',
      ),
    ).toEqual([
      { name: "ttftMs@32:local", direction: "min", unit: "ms" },
      { name: "ttftMs@32:box", direction: "min", unit: "ms" },
      { name: "peakBytes:worst", direction: "min", unit: "bytes" },
      { name: "decodeTokensPerSecond@32:weighted", direction: "max", unit: "tok/s" },
    ]);
  });
  it.each([
    ['[{ metric: "ttftMs@32" }]', /needs a device.*over: each, worst or weighted/],
    ['[{ metric: "ttftMs@32", over: worst, weights: { bx: 2 } }]', /weighs "bx".*box/],
    ['[{ metric: "ttftMs@32", weights: { box: 2 } }]', /has weights; say over/],
    ["[{ metric: parameters, over: worst }]", /"parameters" is not measured on each device/],
  ])("%s is refused", (objectives, message) => {
    expect(() => namesOf(objectives)).toThrow(message);
  });
  it("a device may not have the name of an aggregate", () => {
    expect(() => namesOf('[{ metric: "ttftMs@32", over: worst }]', ["local", "worst"])).toThrow(/rename it/);
  });
});

describe.skipIf(sshdProblem() !== null)("a sweep over two devices", { timeout: 240_000 }, () => {
  let sshd: TestSshd;
  let env: Record<string, string>;
  beforeAll(async () => {
    sshd = await startSshd();
    env = { XDG_CONFIG_HOME: join(folder.path, "config"), SSH_AUTH_SOCK: "" };
    const { code, stderr } = await runCli(
      [
        ...["device", "add", "box", "--host", sshd.host, "--port", String(sshd.port), "--user", sshd.user],
        ...["--fingerprint", sshd.hostKey, "--identity", sshd.identityFile],
        // One thread, because the search for the best placement has its own test.
        ...["--target", process.arch === "arm64" ? "aarch64-linux" : "x86_64-linux", "--threads", "1"],
      ],
      folder.path,
      env,
    );
    if (code !== 0) throw new Error(stderr);
  });
  afterAll(() => sshd.stop());

  it("measures on both, aggregates, and says how alike they rank", async () => {
    const config = withObjectives(
      '[{ metric: "decodeP50Ms@32", over: worst }, { metric: peakBytes, over: weighted, weights: { box: 3 } }]',
    );
    const ran = await runCli(["sweep", config, "--json"], folder.path, env);
    expect(ran).toMatchObject({ code: 0 });
    const db = new Database(join(folder.path, "edgefront.db"), { readonly: true });
    const rows = db
      .prepare(
        "SELECT trial_id, name, value FROM metrics WHERE name LIKE 'decodeP50Ms@32:%' OR name LIKE 'peakBytes:%'",
      )
      .all() as { trial_id: number; name: string; value: number }[];
    db.close();
    const trials = new Map(
      rows.map(({ trial_id }) => [trial_id, rows.filter((row) => row.trial_id === trial_id)]),
    );
    expect(trials.size).toBe(8);
    for (const metrics of trials.values()) {
      const of = (name: string) => metrics.find((metric) => metric.name === name)!.value;
      expect(of("decodeP50Ms@32:worst")).toBe(Math.max(of("decodeP50Ms@32:local"), of("decodeP50Ms@32:box")));
      const mean = (of("peakBytes:local") * of("peakBytes:box") ** 3) ** 0.25;
      expect(of("peakBytes:weighted") / mean).toBeCloseTo(1, 9);
    }
    const { findings } = JSON.parse((await runCli(["findings", "many", "--json"], folder.path, env)).stdout);
    const found = findings.find(({ id }: { id: string }) => id === "devices");
    expect(found.answer).toMatch(/Kendall's tau -?\d\.\d\d/);
    const memory = found.table.rows.find((row: string[]) => row[0] === "Peak memory");
    expect(memory).toMatchObject({ 1: "local, box", 4: "8" });
    expect(readFileSync(join(folder.path, "report-many.html"), "utf8")).toContain(
      "Do the devices rank the layouts alike?",
    );
  });
});
