// A device taken out of use and back through the command line: the sweep's message, the list, and the
// database.
import { join } from "node:path";
import Database from "better-sqlite3";
import { afterAll, describe, expect, it } from "vitest";
import { runCli, temporaryFolder } from "../support/built-cli.ts";
import { writeTinySweep } from "../support/tiny-sweep.ts";

const folder = temporaryFolder();
afterAll(() => folder.remove());
const run = (...args: string[]) => runCli(args, folder.path);
const health = async (): Promise<{ state: string; reason: string | null; readmission: string | null }> => {
  const { devices } = JSON.parse((await run("device", "list", "--json")).stdout);
  return devices.find(({ name }: { name: string }) => name === "local").health;
};
const events = (): { kind: string; cause: string }[] => {
  const database = new Database(join(folder.path, "edgefront.db"), { readonly: true });
  try {
    return database
      .prepare(
        "SELECT kind, cause FROM events WHERE device = 'local' AND kind IN ('quarantined', 'restored')",
      )
      .all() as { kind: string; cause: string }[];
  } finally {
    database.close();
  }
};

describe("device quarantine and restore", { timeout: 60_000 }, () => {
  const config = writeTinySweep(folder.path, { train: false, trials: 2 });

  it("keep a sweep off the device until it is restored, each an event with its cause", async () => {
    expect(await run("device", "quarantine", "local", "--reason", "the fan\u001b[31m died")).toMatchObject({
      code: 0,
      stdout: "quarantined local: the fan?[31m died\n",
    });
    expect(await health()).toMatchObject({ state: "quarantined", readmission: "restore" });
    const { stdout: list } = await run("device", "list");
    expect(list).toMatch(/^local +quarantined/m);
    expect(list).toMatch(
      /^local is quarantined: the fan\?\[31m died\. When it is repaired: edgefront device restore local$/m,
    );
    expect((await run("device", "show", "local")).stdout).toContain("state: quarantined: the fan?[31m died");

    const layout = "v256 d64 f64 h4/2x16 : c3 g";
    for (const args of [
      ["measure", layout, "--contexts", "8"],
      ["measure", "--compare", layout, "d64 f64 : c3", "--contexts", "8", "--pairs", "10"],
      ["score", layout, "--config", writeTinySweep(folder.path, { name: "scored" })],
    ]) {
      const { code, stdout, stderr } = await run(...args);
      expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
      expect(stderr).toMatch(
        /^edgefront: device local is quarantined: the fan\S+ died\. When it is repaired: edgefront device restore local, then run this again\n$/,
      );
    }
    // A quarantined device may still be probed, to check whether it was repaired.
    expect(await run("device", "probe", "local")).toMatchObject({ code: 0 });
    expect(await health()).toMatchObject({ state: "quarantined" });

    const refused = await run("sweep", config);
    expect(refused.code).toBe(1);
    expect(refused.stderr).toMatch(/local is quarantined: the fan.*edgefront device restore local/);
    expect((await run("sweeps")).stdout).not.toContain("tiny");

    expect(await run("device", "restore", "local")).toMatchObject({
      code: 0,
      stdout: "restored local (it was quarantined)\n",
    });
    expect(await health()).toMatchObject({ state: "ready", reason: null, readmission: null });
    expect(await run("sweep", config)).toMatchObject({ code: 0 });
    expect(events()).toEqual([
      { kind: "quarantined", cause: "by-hand" },
      { kind: "restored", cause: "by-hand" },
    ]);
  });

  it.each([
    [["quarantine", "lokal"], /there is no device "lokal".*local/],
    [["quarantine", "local", "--reason", "  "], /--reason is empty/],
    [["restore", "phone"], /there is no device "phone".*device add/],
  ])("refuse %j in one line", async (args, message) => {
    const { code, stderr } = await run("device", ...args);
    expect(code).toBe(2);
    expect(stderr).toMatch(message);
    expect(stderr.trim().split("\n")).toHaveLength(1);
  });
});
