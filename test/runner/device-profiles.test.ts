// Device profiles: every file in configs/devices/ parses, an error in one is a single line, and devices
// without one get a default.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { deviceRecordSchema, localDevice, profileOf } from "../../runner/devices/device-record.ts";
import { parseProfile, profileNamed, profileNames } from "../../runner/devices/profile.ts";
import { temporaryFolder } from "../support/built-cli.ts";

const good = `
description: a board
connection: { transport: ssh }
threads: { policy: all, tolerance: 0.03 }
readiness: { maxTemperatureC: null, maxLoad: null, pollSeconds: 1, deadlineSeconds: 0, microProbeTolerance: 0.03 }
sentinel: { driftTolerance: 0.03, everyBlocks: 4 }
warmup: { max: 4, tolerance: 0.03 }
repetitions: 5
cvLimit: 0.05
`;

describe("device profiles", () => {
  it("are the ones the documentation names, and each file parses", () => {
    expect(profileNames).toEqual(["linux", "local", "ryzen", "snapdragon"]);
    for (const name of profileNames) expect(profileNamed(name).name).toBe(name);
    expect(profileNamed("snapdragon").connection.port).toBe(8022);
  });

  it("have their defaults filled in", () => {
    expect(parseProfile("board", good, "board.yaml").connection).toEqual({
      transport: "ssh",
      port: 22,
      keepaliveSeconds: 10,
      keepaliveTries: 4,
    });
  });

  it.each([
    [
      "an unknown key",
      good.replace("repetitions", "repetition"),
      /unknown key "repetition"; did you mean "repetitions"/,
    ],
    ["a limit out of range", good.replace("everyBlocks: 4", "everyBlocks: 0"), /sentinel\.everyBlocks/],
    ["a missing part", good.replace("cvLimit: 0.05", ""), /cvLimit/],
    ["malformed YAML", "description: [", /board\.yaml: not valid YAML/],
  ])("say what is wrong: %s", (_, text, message) => {
    expect(() => parseProfile("board", text, "board.yaml")).toThrow(message);
  });

  it("name the nearest one", () => {
    expect(() => profileNamed("snapdragn")).toThrow(/did you mean "snapdragon"/);
  });

  it("may be a user's file, which names them", () => {
    const folder = temporaryFolder();
    const file = join(folder.path, "my-board.yaml");
    writeFileSync(file, good);
    expect(profileNamed(file)).toMatchObject({ name: "my-board", repetitions: 5, rounds: 1, retries: 2 });
    writeFileSync(file, good.replace("repetitions: 5", "repetitions: 0"));
    expect(() => profileNamed(file)).toThrow(/my-board\.yaml: repetitions/);
    expect(() => profileNamed(join(folder.path, "absent.yaml"))).toThrow(
      /cannot be read \(ENOENT\).*snapdragon/,
    );
    expect(() => profileNamed("My Board.yaml")).toThrow(/lower-case letters/);
    folder.remove();
  });

  it("are kept by a device; one without gets the default of its transport", () => {
    expect(profileOf(localDevice()).name).toBe("local");
    const old = {
      name: "x",
      transport: "ssh",
      host: "h",
      user: "u",
      target: "aarch64-linux",
      hostKey: `SHA256:${"A".repeat(43)}`,
    };
    expect(profileOf(deviceRecordSchema.parse(old)).name).toBe("linux");
    const own = { ...profileNamed("ryzen"), repetitions: 9 };
    expect(profileOf(deviceRecordSchema.parse({ ...old, profile: own })).repetitions).toBe(9);
  });
});
