// Databases that can be read but not (easily) written: of another user, or in a read-only folder; and the
// remains of a reader. Through the real command line.
import { spawn } from "node:child_process";
import {
  chmodSync,
  chownSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  symlinkSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import Database from "better-sqlite3";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { until } from "../support/agents.ts";
import { CLI, temporaryFolder } from "../support/built-cli.ts";
import { writeFixtureDatabase } from "../support/fixture-database.ts";
import { isRoot, runAs } from "../support/other-user.ts";

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

const copiesLeft = (): string[] => readdirSync(tmpdir()).filter((name) => name.startsWith("edgefront-read-"));

describe.skipIf(!isRoot)("a database of another user", { timeout: 60_000 }, () => {
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

  it("is read consistently while its owner writes it, with the newest data", async () => {
    // The newest pages are in the log alone.
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

  it("is shown by ui, live while its owner is connected", async () => {
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
    expect(idle.said()).toContain("is read-only for this user: the page shows its present state");
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
    expect(following.said()).not.toContain("is read-only for this user");
    following.child.kill("SIGTERM");
    await new Promise((resolve) => following.child.once("close", resolve));
    live.close();
    expect(lab().every((name) => statSync(join(folder.path, "lab", name)).uid === owner)).toBe(true);
  });
});
