// Databases without write-ahead logging or of an older schema, and the remains of a failed command or a
// missing home. Through the real command line.
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, realpathSync } from "node:fs";
import { join } from "node:path";
import Database from "better-sqlite3";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { networkIn } from "../../runner/store/file-system.ts";
import { SCHEMA_VERSION } from "../../runner/store/open.ts";
import { makeOwner } from "../../runner/store/owner.ts";
import { Store } from "../../runner/store/store.ts";
import { until } from "../support/agents.ts";
import { runCli, startCli, temporaryFolder } from "../support/built-cli.ts";
import { writeFixtureDatabase } from "../support/fixture-database.ts";
import { isRoot, runAs } from "../support/other-user.ts";
import { writeTinySweep } from "../support/tiny-sweep.ts";

let folder: ReturnType<typeof temporaryFolder>;
let db: string;
beforeEach(() => {
  folder = temporaryFolder();
  chmodSync(folder.path, 0o755);
  mkdirSync(join(folder.path, "lab"));
  db = join(folder.path, "lab", "t.db");
});
afterEach(() => folder.remove());
const lab = (): string[] => readdirSync(join(folder.path, "lab"));

describe("a database", { timeout: 60_000 }, () => {
  const run = (...args: string[]) => runCli([...args, "--db", db], folder.path);

  it("without write-ahead logging gets it back; a foreign one is not touched", async () => {
    writeFixtureDatabase(db);
    const plain = new Database(db);
    expect(plain.pragma("journal_mode = DELETE", { simple: true })).toBe("delete");
    plain.close();
    expect(await run("sweeps")).toMatchObject({ code: 0 });
    const path = join(folder.path, "foreign.db");
    const foreign = new Database(path);
    foreign.exec("CREATE TABLE x (y)");
    foreign.close();
    const before = readFileSync(path);
    expect((await runCli(["sweeps", "--db", path], folder.path)).stderr).toMatch(
      /database of another program/,
    );
    expect(readFileSync(path).equals(before)).toBe(true);
  });

  it("of an older schema is kept as a copy before it is brought up to date", async () => {
    writeFixtureDatabase(db, 6);
    const { code, stderr } = await run("sweeps");
    expect(code).toBe(0);
    expect(stderr).toMatch(
      new RegExp(`is brought from schema 6 to ${SCHEMA_VERSION}; what it was is kept as .*t.db.schema-6.bak`),
    );
    const kept = new Database(`${db}.schema-6.bak`, { readonly: true });
    expect(kept.pragma("user_version", { simple: true })).toBe(6);
    expect(kept.prepare("SELECT name FROM sweeps").pluck().all()).toEqual(["fixture"]);
    kept.close();
    expect(lab().sort()).toEqual(["t.db", "t.db.schema-6.bak"]);
    expect(await run("sweeps")).toMatchObject({ code: 0, stderr: "" });
  });

  it("of an older schema is left alone while an owner of that schema lives", () => {
    writeFixtureDatabase(db, 6);
    const owned = new Database(db);
    const own = JSON.parse(makeOwner()) as Record<string, unknown>;
    const setOwner = (changes: object) =>
      owned.prepare("UPDATE sweeps SET owner = ?").run(JSON.stringify({ ...own, ...changes }));
    setOwner({});
    expect(() => Store.open(db, { mustExist: true })).toThrow(
      /"fixture".*is being run by an older edgefront; wait for it/,
    );
    expect(lab().filter((name) => name.endsWith(".bak"))).toEqual([]);
    // An owner that is invisible and does not write counts as gone.
    setOwner({ space: "pid:[1]" });
    const notes: string[] = [];
    Store.open(db, { mustExist: true, watchMs: 300, onNote: (text) => notes.push(text) }).close();
    expect(notes[0]).toMatch(/cannot be seen from here: watching for 1 s/);
    owned.close();
  });

  it("of an older schema whose unseen owner writes is left alone", async () => {
    writeFixtureDatabase(db, 6);
    const owned = new Database(db);
    owned.pragma("journal_mode = WAL");
    owned
      .prepare("UPDATE sweeps SET owner = ?")
      .run(JSON.stringify({ ...JSON.parse(makeOwner()), space: "pid:[1]" }));
    const beats = setInterval(() => owned.exec("UPDATE sweeps SET finished_at = finished_at || '0'"), 200);
    const { code, stderr } = await run("sweeps");
    clearInterval(beats);
    owned.close();
    expect(code).toBe(2);
    expect(stderr).toMatch(/is being run by an older edgefront/);
  });

  it.each([
    ["36 25 0:30 / /home rw - nfs4 host:/home rw", "/home/a/x.db", "nfs4"],
    ["36 25 0:30 / /home rw shared:1 master:2 - fuse.sshfs host: rw", "/home/a/x.db", "fuse.sshfs"],
    ["36 25 0:30 / /my\\040home rw - cifs //host/home rw", "/my home/x.db", "cifs"],
    ["36 25 0:30 / /home rw - nfs4 h:/ rw\n37 36 8:1 / /home/a rw - ext4 /dev/sda rw", "/home/a/x.db", null],
    ["36 25 0:30 / /home rw - nfs4 h:/ rw", "/homely/x.db", null],
    ["36 25 8:1 / / rw - ext4 /dev/sda rw\n37 36 0:31 / / rw - nfs4 h:/ rw", "/x.db", "nfs4"],
    ["36 25 0:30 / / rw - overlay overlay rw", "/x.db", null],
  ])("on %s: %s is on %s", (mounts, path, type) => {
    expect(networkIn(mounts, path)).toBe(type);
  });

  it("named by an empty --db is refused", async () => {
    expect(await runCli(["sweeps", "--db="], folder.path)).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/--db/),
    });
  });
});

describe("a first command that fails", { timeout: 60_000 }, () => {
  const failing = (): string[] => ["sweep", writeTinySweep(folder.path, { devices: ["phone"] }), "--db", db];

  it("leaves no database behind, and no other command makes one to look at it", async () => {
    expect(await runCli(failing(), folder.path)).toMatchObject({ code: 2 });
    expect(lab()).toEqual([]);
    for (const args of [
      ["device", "list"],
      ["device", "show", "local"],
    ])
      expect(await runCli([...args, "--db", db], folder.path)).toMatchObject({ code: 0 });
    expect(lab()).toEqual([]);
  });

  it.each(["SIGINT", "SIGTERM"] as const)(
    "by %s leaves what another process has opened meanwhile",
    async (signal) => {
      const cache = join(folder.path, "cache");
      // Long enough to be joined, because it builds the kernels first.
      const config = writeTinySweep(folder.path);
      const { child, finished } = startCli(["sweep", config, "--db", db], folder.path, {
        XDG_CACHE_HOME: cache,
      });
      await until("it has made the file", () => existsSync(db) && existsSync(`${db}-wal`));
      const other = Store.open(db);
      child.kill(signal);
      const { code, stderr } = await finished;
      expect(code).toBe(130);
      expect(stderr).toMatch(/nothing was written/);
      expect(existsSync(db)).toBe(true);
      // The other process continues with the present file.
      other.health.quarantine("local", "still here");
      other.close();
      expect((await runCli(["device", "list", "--db", db], folder.path)).stdout).toContain("still here");
      expect(realpathSync(db)).toBe(db);
    },
  );

  it("by Ctrl-C, alone, leaves nothing", async () => {
    const env = { XDG_CACHE_HOME: join(folder.path, "cache") };
    const { child, finished } = startCli(
      ["sweep", writeTinySweep(folder.path), "--db", db],
      folder.path,
      env,
    );
    await until("it has made the file", () => existsSync(`${db}-wal`));
    child.kill("SIGINT");
    expect(await finished).toMatchObject({ code: 130 });
    expect(lab()).toEqual([]);
  });

  it("leaves a file that was there before, though it is empty", async () => {
    Store.open(db).close();
    expect(await runCli(failing(), folder.path)).toMatchObject({ code: 2 });
    expect(lab()).toEqual(["t.db"]);
  });
});

describe.skipIf(!isRoot)("without a home folder", () => {
  const uid = 54321;
  const nothing = { code: 0 };
  it("what needs none works, and what does says what to set", async () => {
    expect(await runAs(uid, ["--version"])).toMatchObject(nothing);
    expect(await runAs(uid, ["show", "lfm2-350m"])).toMatchObject(nothing);
    for (const home of [
      {},
      { HOME: "" },
      { HOME: "/" },
      { HOME: "relative" },
      { HOME: "/nowhere" },
    ] as Record<string, string>[]) {
      const doctor = await runAs(uid, ["doctor"], home);
      expect(doctor).toMatchObject({ code: 1, stderr: "" });
      expect(doctor.stdout).toMatch(/^FAIL {2}cache folder: .*export XDG_CACHE_HOME=/m);
      const measured = await runAs(uid, ["measure", "v256 d64 f64 : c3", "--contexts", "8"], home);
      expect(measured).toMatchObject({ code: 2, stdout: "" });
      expect(measured.stderr).toMatch(/^edgefront: .*export XDG_CACHE_HOME=\S+\n$/);
    }
  });
});
