// Rows of the fault matrix: an agent that the device cannot start. The sweep does not begin, and one line
// gives the reason and the remedy.
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "vitest";
import type { AgentBinary } from "../../../runner/devices/transport.ts";
import { query } from "../farm.ts";
import type { FaultMatrix, Place } from "../matrix.ts";

/** Offset of the machine in an ELF header, and the number of a machine that none of our hosts is. */
const MACHINE_AT = 18;
const RISC_V = 0xf3;

/** A program for another kind of machine. */
function otherMachines(): Buffer {
  const program = readFileSync("/bin/true");
  program.writeUInt16LE(RISC_V, MACHINE_AT);
  return program;
}

const filesUnder = (folder: string): string[] =>
  readdirSync(folder, { recursive: true, withFileTypes: true }).flatMap((entry) =>
    entry.isFile() ? [join(entry.parentPath, entry.name)] : [],
  );

export function startRows({ row, run, expectCalm }: FaultMatrix): void {
  const binaryOf = (place: Place, content: string | Buffer): AgentBinary => {
    const path = join(place.a.sshd.shared, "agent-that-does-not-start");
    writeFileSync(path, content);
    return { path, sha256: createHash("sha256").update(content).digest("hex") };
  };
  const refuses = async (place: Place, message: RegExp, binary?: AgentBinary): Promise<void> => {
    await expect(run(place, binary ? { binary } : {})).rejects.toMatchObject({
      code: "agent-start",
      message: expect.stringMatching(message),
    });
    expect(query(place.db, "SELECT 1 FROM sweeps")).toEqual([]);
  };

  row(
    "agent: a system call refused (SIGSYS)",
    "the sweep does not begin: musl build needed",
    async (place) => {
      await refuses(place, /refuses a call .*\(SIGSYS.*musl/, binaryOf(place, "#!/bin/sh\nkill -SYS $$\n"));
      await run(place);
      expectCalm(place);
    },
  );
  row(
    "agent of another architecture (ENOEXEC)",
    "the sweep does not begin: check the target",
    async (place) => {
      await refuses(place, /cannot execute the agent.*target architecture/, binaryOf(place, otherMachines()));
      await run(place);
      expectCalm(place);
    },
  );
  row(
    "power cut of the device: its agent is left empty, or cut short",
    "found by its hash, sent again; the sweep runs",
    async (place) => {
      await run(place, { name: "before" });
      for (const [name, length] of [
        ["empty", 0],
        ["short", 4096],
      ] as const) {
        const agents = filesUnder(join(place.a.sshd.home, ".edgefront")).filter(
          (path) => statSync(path).mode & 0o100,
        );
        expect(agents.length).toBeGreaterThan(0);
        const whole = agents.map((path) => readFileSync(path));
        for (const path of agents) truncateSync(path, length);
        await run(place, { name });
        expect(agents.map((path) => readFileSync(path))).toEqual(whole);
      }
      for (const name of ["before", "empty", "short"]) expectCalm(place, "a", name);
    },
  );
  row("home mounted noexec", "the sweep does not begin: noexec is named", async (place) => {
    const folder = join(place.a.sshd.home, ".edgefront");
    mkdirSync(folder, { recursive: true });
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=16m,mode=777,noexec", "tmpfs", folder]);
    try {
      await refuses(place, /cannot execute the agent.*Permission denied.*not mounted noexec/i);
    } finally {
      execFileSync("umount", [folder]);
    }
    rmSync(folder, { recursive: true });
    await run(place);
    expectCalm(place);
  });
}
