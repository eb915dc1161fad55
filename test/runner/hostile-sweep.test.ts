// A hostile device in a whole sweep: its statements about itself and its failures are stored, reported and
// listed as harmless text. Nothing is written beside the named database.
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { reportWithFindings } from "../../runner/findings/sweep-findings.ts";
import { Store } from "../../runner/store/store.ts";
import {
  type LoopbackDevice,
  left,
  QUICK,
  query,
  register,
  runFarm,
  scriptedAgent,
  startDevice,
} from "../faults/farm.ts";
import { runCli, temporaryFolder } from "../support/built-cli.ts";
import { sshdProblem } from "../support/needs.ts";
import { HOSTILE } from "../support/report-data.ts";
import { rendered } from "../support/report-formats.ts";

/** Characters that no text may contain: escapes, controls, direction overrides. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not be there
const CONTROL = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/;

describe.skipIf(sshdProblem() !== null)("a sweep on a hostile device", () => {
  let folder: ReturnType<typeof temporaryFolder>;
  let device: LoopbackDevice;
  let db: string;
  let env: Record<string, string>;
  beforeAll(async () => {
    folder = temporaryFolder();
    env = { XDG_CONFIG_HOME: join(folder.path, "config") };
    process.env.XDG_CONFIG_HOME = env.XDG_CONFIG_HOME!;
    device = await startDevice();
    const said = Object.fromEntries(
      ["os", "kernel", "bootId", "libc", "compiler", "temperatureSource"].map((key) => [key, HOSTILE]),
    );
    device.script({
      jobs: { 2: "refuse", 3: "crash" },
      message: `=cmd${HOSTILE}`,
      cpuModel: HOSTILE,
      probe: { ...said, isas: [HOSTILE], isa: HOSTILE, features: [HOSTILE] },
    });
    db = join(folder.path, "hostile.db");
    register(db, [device.record("a")]);
    const agent = await scriptedAgent();
    await runFarm({ db, devices: ["a"] }, { ...QUICK, agentFor: async () => agent });
  });
  afterAll(async () => {
    await device?.stop();
    folder?.remove();
  });

  it("ends as any other, its words kept as text", () => {
    const { trials } = left(db);
    expect(trials.map((trial) => (trial as { state: string }).state).toSorted()).toEqual(
      ["complete", "complete", "complete", "complete", "failed"].toSorted(),
    );
    const [{ result }] = query<{ result: string }>(db, "SELECT result FROM probes") as [{ result: string }];
    expect(JSON.parse(result).cpuModel).toContain("<script>");
    expect(JSON.parse(result).cpuModel).not.toMatch(CONTROL);
    const reasons = query<{ reason: string }>(db, "SELECT reason FROM trials WHERE state = 'failed'");
    expect(reasons[0]!.reason).toContain("<script>");
    expect(reasons[0]!.reason).not.toMatch(CONTROL);
  });

  it("is reported without markup, escapes or formulas of its own", () => {
    const store = Store.open(db);
    const data = reportWithFindings(store, store.sweeps.get("faults"));
    store.close();
    const html = rendered("html", data);
    // Apart from the page's own scripts, the device's text is in the page's data, escaped (in a browser:
    // test/reports/page-opening.test.ts).
    expect(html).toContain("window.pwned=1");
    expect(html).not.toMatch(/<script>window\.pwned|<img src=x/);
    expect(rendered("md", data)).not.toMatch(/<script|<img/);
    for (const format of ["md", "csv", "json", "jsonl"] as const)
      expect(rendered(format, data), format).not.toMatch(CONTROL);
    expect(rendered("csv", data)).not.toMatch(/(^|,)"?[=+@]/m);
  });

  it("is listed and shown without escapes, and nothing lies beside the database", async () => {
    for (const args of [
      ["device", "list"],
      ["device", "show", "a"],
      ["front", "faults"],
      ["findings", "faults"],
    ]) {
      const { code, stdout, stderr } = await runCli([...args, "--db", db], folder.path, env);
      expect(code, stderr).toBe(0);
      expect(stdout + stderr, args.join(" ")).not.toMatch(CONTROL);
    }
    expect(readdirSync(folder.path).filter((name) => !name.startsWith("hostile.db"))).toEqual(["config"]);
  });
});
