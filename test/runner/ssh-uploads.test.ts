// Uploads through the ssh transport against a real sshd: verified, complete or absent, and confined to their
// folder.
import { randomBytes } from "node:crypto";
import {
  chmodSync,
  existsSync,
  readdirSync,
  readFileSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { SshTransport } from "../../runner/devices/ssh-transport.ts";
import { agentName, remoteName } from "../../runner/devices/transport.ts";
import { sshdProblem } from "../support/needs.ts";
import { sha256, sshLoopback } from "../support/ssh-loopback.ts";

describe.skipIf(sshdProblem() !== null)("ssh uploads", () => {
  const loopback = sshLoopback();
  const { transport, remoteFile } = loopback;

  let file: string;
  let bytes: Buffer;
  let opened: SshTransport;
  beforeEach(async () => {
    bytes = randomBytes(3_000_000);
    file = join(loopback.folder, "payload");
    writeFileSync(file, bytes);
    opened = transport();
    await opened.open();
  });
  afterEach(async () => {
    await opened.close();
  });

  it("puts the bytes there, executable if asked, and leaves no part behind", async () => {
    const name = remoteName(`files/${sha256(bytes)}/payload`);
    const path = await opened.upload(file, name, sha256(bytes), { executable: true });
    expect(path).toBe(`.edgefront/${name}`);
    expect(readFileSync(remoteFile(name)).equals(bytes)).toBe(true);
    expect(statSync(remoteFile(name)).mode & 0o777).toBe(0o700);
    expect(readdirSync(remoteFile(`files/${sha256(bytes)}`))).toEqual(["payload"]);
  });
  it("does not send what is there already, and mends what was damaged", async () => {
    const name = remoteName("files/again");
    await opened.upload(file, name, sha256(bytes));
    const before = statSync(remoteFile(name));
    await opened.upload(file, name, sha256(bytes));
    expect(statSync(remoteFile(name)).ino).toBe(before.ino);
    const damaged = Buffer.from(bytes);
    damaged[1_500_000]! ^= 1;
    writeFileSync(remoteFile(name), damaged);
    await opened.upload(file, name, sha256(bytes));
    expect(readFileSync(remoteFile(name)).equals(bytes)).toBe(true);
  });
  it("bears several at once of the same file", async () => {
    const name = remoteName("files/race");
    await Promise.all([1, 2, 3].map(() => opened.upload(file, name, sha256(bytes))));
    expect(readFileSync(remoteFile(name)).equals(bytes)).toBe(true);
    expect(readdirSync(remoteFile("files")).filter((f) => f.includes(".part"))).toEqual([]);
  });
  it("clears away agents of long ago and what stopped uploads left, once a new agent is there", async () => {
    const put = async (name: string, daysOld: number) => {
      await opened.upload(file, remoteName(name), sha256(bytes));
      const at = Date.now() / 1000 - daysOld * 86_400;
      utimesSync(remoteFile(name), at, at);
    };
    const builds = ["a", "b", "c", "d", "e", "f"].map((letter) => letter.repeat(64));
    for (const [age, hash] of builds.entries()) await put(agentName(hash), 2 + age);
    for (const [name, age] of [
      ["stopped.00112233.part", 2],
      ["going.44556677.part", 0],
      ["model.gguf", 100],
    ] as const)
      await put(`models/${name}`, age);
    // All files are of an earlier session, because a session never removes its own uploads.
    await opened.close();
    opened = transport();
    await opened.open();
    await opened.upload(file, agentName("0".repeat(64)), sha256(bytes), { executable: true });
    const kept = ["0".repeat(64), ...builds.slice(0, 3)];
    expect(readdirSync(remoteFile("agents")).toSorted()).toEqual(kept.toSorted());
    expect(readdirSync(remoteFile("models")).toSorted()).toEqual(["going.44556677.part", "model.gguf"]);
  });
  it("refuses a file that is not what its hash says, and installs nothing", async () => {
    const name = remoteName("files/wrong");
    await expect(opened.upload(file, name, "0".repeat(64))).rejects.toMatchObject({
      code: "upload-failed",
    });
    expect(existsSync(remoteFile(name))).toBe(false);
  });
  it("says why a folder cannot be written", async () => {
    await opened.upload(file, remoteName("closed/x"), sha256(bytes));
    chmodSync(remoteFile("closed"), 0o500);
    await expect(opened.upload(file, remoteName("closed/y"), sha256(bytes))).rejects.toMatchObject({
      code: "upload-failed",
      message: expect.stringMatching(/Permission denied/),
    });
    chmodSync(remoteFile("closed"), 0o700);
  });
  it("takes no name that a shell or a path could misread", () => {
    for (const name of ["../x", "a/../b", "/etc/x", "a b", "a;b", "$(x)", "", "a//b", "A", "a/.ssh"]) {
      expect(() => remoteName(name), name).toThrow(TypeError);
    }
    expect(() => agentName("x; rm -rf")).toThrow(TypeError);
  });
});
