// Rows of the fault matrix: a device that is full, refused, rebooted, flaky, throttled or replaced.
import { execFileSync } from "node:child_process";
import { chmodSync, mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { expect } from "vitest";
import { Store } from "../../../runner/store/store.ts";
import { eventsOf, faultsOf, QUICK, query, register } from "../farm.ts";
import type { FaultMatrix } from "../matrix.ts";

export function deviceRows({ atJob, expectCalm, probed, row, run }: FaultMatrix): void {
  row("no word of a process's memory", "device's fault, retried; no layout fails for it", async (place) => {
    const memory = { peakBytes: 0, anonBytes: 0, fileBytes: 0, swapBytes: 0 };
    place.a.script({ results: { 2: { memory }, 4: { memory } } });
    await run(place);
    expectCalm(place);
    expect(faultsOf(place.db, "a")).toEqual(["contradiction", "contradiction"]);
  });
  row("disk full", "upload refused with the reason; goes on when there is room", async (place) => {
    const disk = join(place.a.sshd.home, ".edgefront");
    mkdirSync(disk, { recursive: true });
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=4k,mode=777", "tmpfs", disk]);
    try {
      await expect(run(place)).rejects.toMatchObject({
        code: "upload-failed",
        message: expect.stringContaining("no space"),
      });
    } finally {
      execFileSync("umount", [disk]);
    }
    rmSync(disk, { recursive: true });
    await run(place);
    expectCalm(place);
  });
  row("disk full of what edgefront left there", "old artefacts collected, goes on", async (place) => {
    const disk = join(place.a.sshd.home, ".edgefront");
    mkdirSync(disk, { recursive: true });
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=256k,mode=777", "tmpfs", disk]);
    const put = (name: string, bytes: number) => {
      mkdirSync(dirname(join(disk, name)), { recursive: true });
      chmodSync(dirname(join(disk, name)), 0o777);
      writeFileSync(join(disk, name), Buffer.alloc(bytes));
    };
    for (let i = 0; i < 4; i++) put(`agents/${String(i).repeat(64)}/edgefront-agent`, 1);
    chmodSync(join(disk, "agents"), 0o777);
    put("models/half.gguf.0123abcd.part", 1);
    expect(() => put("models/old.gguf", 1 << 20)).toThrow(/ENOSPC/);
    await run(place);
    expectCalm(place);
    expect(faultsOf(place.db, "a")).toEqual([]);
    expect(readdirSync(join(disk, "models"))).toEqual([]);
    expect(readdirSync(join(disk, "agents"))).toHaveLength(4);
  });
  row("disk full when it comes back", "tried again, goes on when there is room", async (place) => {
    place.a.script({ jobMs: 100 });
    const disk = join(place.a.sshd.home, ".edgefront");
    let mounted = false;
    const fill = atJob(2, () => {
      rmSync(disk, { recursive: true, force: true });
      mkdirSync(disk);
      execFileSync("mount", ["-t", "tmpfs", "-o", "size=4k,mode=777", "tmpfs", disk]);
      mounted = true;
      place.a.sshd.killSessions();
    });
    await run(place, {
      listen: (event, store) => {
        fill(event, store);
        if (!mounted || !faultsOf(place.db, "a").includes("upload-failed")) return;
        execFileSync("umount", [disk]);
        rmSync(disk, { recursive: true });
        mounted = false;
      },
    });
    expectCalm(place);
    expect(faultsOf(place.db, "a")).toContain("upload-failed");
  });
  row("host key swapped", "quarantined, never retried; its jobs move to an equal device", async (place) => {
    place.a.script({ jobMs: 100 });
    await probed(place);
    let tries = 0;
    const swap = atJob(2, () => {
      void place.a.sshd.restart({ newHostKey: true }).then(() => place.a.sshd.killSessions());
      place.a.sshd.killSessions();
    });
    await run(place, {
      listen: (event, store) => {
        swap(event, store);
        if (event.kind === "device-state" && event.state === "quarantined") tries++;
      },
    });
    expectCalm(place);
    expect(tries).toBe(1);
    expect(eventsOf(place.db, "quarantined")).toEqual([{ device: "a", cause: "host-key-changed" }]);
    expect(query(place.db, "SELECT DISTINCT device FROM measurements ORDER BY device")).toEqual([
      { device: "a" },
      { device: "b" },
    ]);
    expect(eventsOf(place.db, "moved").length).toBeGreaterThan(0);
  });
  row("host key swapped, no equal device", "stops with what to do; resumes when mended", async (place) => {
    place.a.script({ jobMs: 100 });
    place.b.script({ cpuModel: "Another CPU" });
    await probed(place);
    const pinned = place.a.record("a").hostKey;
    await expect(
      run(place, {
        listen: atJob(2, () => {
          void place.a.sshd.restart({ newHostKey: true });
          place.a.sshd.killSessions();
        }),
      }),
    ).rejects.toMatchObject({
      code: "device-quarantined",
      message: expect.stringMatching(/host key .*device restore a.*--resume/),
    });
    expect(place.a.record("a").hostKey).not.toBe(pinned);
    const store = Store.open(place.db);
    store.devices.remove("a");
    store.close();
    register(place.db, [place.a.record("a")]);
    await run(place, { resume: true });
    expectCalm(place);
  });
  row("key rejected", "two tries, then >= 30 s (scaled) between; goes on when mended", async (place) => {
    place.a.script({ jobMs: 100 });
    const at: number[] = [];
    const reject = atJob(2, () => {
      place.a.sshd.authorize(false);
      place.a.sshd.killSessions();
    });
    await run(place, {
      listen: (event, store) => {
        reject(event, store);
        const refused = faultsOf(place.db, "a").filter((cause) => cause === "auth-failed").length;
        if (event.kind !== "device-state" || refused <= at.length) return;
        at.push(performance.now());
        if (at.length === 3) place.a.sshd.authorize(true);
      },
    });
    expectCalm(place);
    expect(at).toHaveLength(3);
    expect(at[2]! - at[1]!).toBeGreaterThan(30_000 * QUICK.timing!.pauseScale!);
  });
  row("reboot", "boot id changed: lost, full preflight, retried", async (place) => {
    place.a.script({ jobMs: 100 });
    await run(place, {
      listen: atJob(2, () => {
        place.a.script({ jobMs: 100, bootId: "after-the-reboot" });
        place.a.sshd.killSessions();
      }),
    });
    expectCalm(place);
    expect(eventsOf(place.db, "rebooted")).toEqual([{ device: "a", cause: "boot-id" }]);
  });
  row("flaky device", "3 faults: quarantine, back through the sentinel", async (place) => {
    place.a.script({ jobs: { 1: "garbage", 2: "exit", 4: "disk-error" } });
    await run(place);
    expectCalm(place);
    expect(faultsOf(place.db, "a")).toEqual(["protocol", "transport-lost", "io"]);
    expect(eventsOf(place.db, "quarantined")).toEqual([{ device: "a", cause: "io" }]);
    expect(eventsOf(place.db, "restored")).toEqual([{ device: "a", cause: "sentinel-passed" }]);
  });
  row("a device lost for good, of two in a sweep", "its jobs move to the equal one", async (place) => {
    place.a.script({ jobMs: 50 });
    place.b.script({ jobMs: 50 });
    await run(place, {
      devices: ["a", "b"],
      listen: atJob(4, () => {
        place.a.sshd.killListener();
        place.a.sshd.killSessions();
      }),
    });
    await place.a.sshd.restart();
    expectCalm(place, "a,b");
    expect(eventsOf(place.db, "moved").length).toBeGreaterThan(0);
  });
  row("lost for good, no equal device", "the sweep ends with the resume line, and resumes", async (place) => {
    place.a.script({ jobMs: 100 });
    place.b.script({ cpuModel: "Another CPU" });
    await expect(
      run(place, {
        farm: { timing: { pauseScale: 0.05, patienceMs: 2000 } },
        listen: atJob(2, () => {
          place.a.sshd.killListener();
          place.a.sshd.killSessions();
        }),
      }),
    ).rejects.toMatchObject({ code: "device-lost", message: expect.stringContaining("--resume") });
    await place.a.sshd.restart();
    await run(place, { resume: true });
    expectCalm(place);
  });
}
