// Databases that are read but not, or not easily, written: another user's, in a read-only folder, without write-ahead logging, of an older
// schema; and what a reader, a failed command or a missing home leaves behind. Through the real command line.
import { spawn } from "node:child_process";
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  statSync,
  symlinkSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import Database from "better-sqlite3";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { networkIn } from "../../runner/store/file-system.ts";
import { SCHEMA_VERSION } from "../../runner/store/open.ts";
import { makeOwner } from "../../runner/store/owner.ts";
import { Store } from "../../runner/store/store.ts";
import { until } from "../support/agents.ts";
import { CLI, type Finished, runCli, startCli, temporaryFolder } from "../support/built-cli.ts";
import { writeFixtureDatabase } from "../support/fixture-database.ts";
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

const root = process.geteuid?.() === 0;

/** A command as another user, in an environment of its own. */
function runAs(uid: number, args: readonly string[], env: Record<string, string> = {}): Promise<Finished> {
  const child = spawn(process.execPath, [CLI, ...args], {
    cwd: "/",
    uid,
    gid: uid,
    env: { PATH: process.env.PATH, ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const texts = { stdout: "", stderr: "" };
  for (const name of ["stdout", "stderr"] as const)
    child[name].setEncoding("utf8").on("data", (text: string) => {
      texts[name] += text;
    });
  return new Promise((resolve) => child.once("close", (code, signal) => resolve({ code, signal, ...texts })));
}

const copiesLeft = (): string[] => readdirSync(tmpdir()).filter((name) => name.startsWith("edgefront-read-"));

describe.skipIf(!root)("a database of another user", { timeout: 60_000 }, () => {
  const [owner, reader] = [54001, 54002];
  beforeEach(() => {
    writeFixtureDatabase(db);
    chownSync(db, owner, owner);
    chmodSync(join(folder.path, "lab"), 0o777);
  });

  it.each([
    ["front", ["front", "fixture"]],
    ["report", ["report", "fixture", "--format", "csv"]],
    ["device list", ["device", "list"]],
    ["sweeps", ["sweeps"]],
  ])("is read by %s, which leaves nothing that its owner could stumble over", async (_name, args) => {
    const before = copiesLeft();
    const read = await runAs(reader, [...args, "--db", db], { HOME: "/nowhere" });
    expect(read).toMatchObject({ code: 0, stderr: "" });
    expect(read.stdout).not.toBe("");
    expect(lab()).toEqual(["t.db"]);
    expect(copiesLeft()).toEqual(before);
    const written = await runAs(owner, ["device", "quarantine", "local", "--db", db], { HOME: "/nowhere" });
    expect(written).toMatchObject({ code: 0 });
  });

  it("is read as it is while its owner writes it, the newest included", async () => {
    // Its newest pages are in the log alone.
    const live = new Database(db);
    live.pragma("journal_mode = WAL");
    live.exec("UPDATE sweeps SET name = 'renamed'");
    for (const suffix of ["", "-wal", "-shm"]) chownSync(db + suffix, owner, owner);
    const read = await runAs(reader, ["sweeps", "--db", db]);
    expect(read.stdout).toContain("renamed");
    expect(lab().map((name) => statSync(join(folder.path, "lab", name)).uid)).toEqual([owner, owner, owner]);
    live.close();
  });

  it("of an older schema is read too, and stays what it is", async () => {
    writeFixtureDatabase(join(folder.path, "old.db"), 5);
    renameSync(join(folder.path, "old.db"), db);
    chownSync(db, owner, owner);
    const before = readFileSync(db);
    expect(await runAs(reader, ["front", "fixture", "--db", db])).toMatchObject({ code: 0 });
    expect(readFileSync(db).equals(before)).toBe(true);
    expect(lab()).toEqual(["t.db"]);
  });

  it("that may not be read, or not be written, is one line", async () => {
    const write = await runAs(reader, ["device", "quarantine", "local", "--db", db]);
    expect(write).toMatchObject({ code: 2 });
    expect(write.stderr).toMatch(/^edgefront: cannot use the database .*not writable/);
    chmodSync(db, 0o600);
    const read = await runAs(reader, ["sweeps", "--db", db]);
    expect(read).toMatchObject({ code: 2 });
    expect(read.stderr).toMatch(/^edgefront: cannot read the database .*may not be read; ask its owner/);
    expect(lab()).toEqual(["t.db"]);
  });

  it("in a read-only folder of one's own, and behind a symlink, is read", async () => {
    chownSync(join(folder.path, "lab"), reader, reader);
    chownSync(db, reader, reader);
    chmodSync(join(folder.path, "lab"), 0o555);
    symlinkSync(db, join(folder.path, "link.db"));
    for (const path of [db, join(folder.path, "link.db")])
      expect(await runAs(reader, ["front", "fixture", "--db", path])).toMatchObject({ code: 0 });
    expect(lab()).toEqual(["t.db"]);
  });

  it("is shown by ui, following its owner where that one is connected", async () => {
    const start = () => {
      const child = spawn(process.execPath, [CLI, "ui", "--db", db, "--port", "0"], {
        cwd: "/",
        uid: reader,
        gid: reader,
        env: { PATH: process.env.PATH },
      });
      let said = "";
      for (const stream of [child.stdout, child.stderr]) stream.on("data", (text: Buffer) => (said += text));
      return { child, said: () => said };
    };
    const idle = start();
    await until("it listens", () => idle.said().includes("http://"), 20_000);
    expect(idle.said()).toContain("may only be read: the page shows it as it is now");
    idle.child.kill("SIGTERM");
    await new Promise((resolve) => idle.child.once("close", resolve));
    expect(lab()).toEqual(["t.db"]);
    const live = new Database(db);
    live.pragma("journal_mode = WAL");
    live.exec("UPDATE sweeps SET name = 'renamed'");
    for (const suffix of ["", "-wal", "-shm"]) chownSync(db + suffix, owner, owner);
    const following = start();
    await until("it listens", () => following.said().includes("http://"), 20_000);
    const url = /http:\S+/.exec(following.said())![0];
    expect(await (await fetch(url)).text()).toContain("renamed");
    expect(following.said()).not.toContain("may only be read");
    following.child.kill("SIGTERM");
    await new Promise((resolve) => following.child.once("close", resolve));
    live.close();
    expect(lab().every((name) => statSync(join(folder.path, "lab", name)).uid === owner)).toBe(true);
  });
});

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
    // One that cannot be seen and writes nothing is gone.
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
      // Long enough to be joined: it builds the kernels first.
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
      // The other one goes on with the file that is there.
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

describe.skipIf(!root)("without a home folder", () => {
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
