// Evaluation of a login's first answer: the target of the device, or the reason why no agent can run there
// and its remedy.
import { describe, expect, it } from "vitest";
import { explainStart, targetOf } from "../../runner/agent/enrol.ts";
import { AgentStartError } from "../../runner/devices/device-errors.ts";
import type { Identity } from "../../runner/devices/ssh-identify.ts";

const identity = (changes: Partial<Identity>): Identity => ({
  system: null,
  termux: null,
  confined: false,
  noisy: false,
  said: "",
  ...changes,
});

describe("the target of a device", () => {
  it.each([
    ["Linux x86_64", "x86_64-linux"],
    ["Linux aarch64", "aarch64-linux"],
    ["Linux arm64", "aarch64-linux"],
  ])("%s is %s", (system, target) => expect(targetOf(identity({ system }), {})).toBe(target));

  it("is what a confined agent says, or what an emulator takes", () => {
    const said =
      '{"v":1,"type":"hello","agent":"edgefront-agent","version":"0.1.0","arch":"aarch64","pid":1,"confined":true}';
    expect(targetOf(identity({ said, confined: true }), {})).toBe("aarch64-linux");
    expect(targetOf(identity({ system: "Linux x86_64" }), { emulator: "qemu-aarch64-static" })).toBe(
      "aarch64-linux",
    );
  });

  it.each([
    [{ system: "Darwin arm64" }, /this is Darwin arm64.*Linux or Android/],
    [{ system: "Linux armv8l" }, /this is Linux armv8l.*64-bit system/],
    [{ system: "Linux riscv64" }, /riscv64.*No other processor/],
    [{ system: "Linux aarch64", termux: "googleplay.2025.01.18" }, /Play Store.*F-Droid/],
    [
      { said: "Welcome to the switch" },
      /does not answer like a shell.*Welcome to the switch.*--print-authorized-key/,
    ],
  ])("is refused with the reason: %j", (changes, message) => {
    expect(() => targetOf(identity(changes), {})).toThrow(message);
  });

  it("must be the one the user named", () => {
    expect(() => targetOf(identity({ system: "Linux aarch64" }), { target: "x86_64-linux" })).toThrow(
      /leave --target out/,
    );
  });
});

describe("an agent that does not start", () => {
  const refused = new AgentStartError("the device cannot execute the agent: Permission denied");
  it("is explained as Android's doing on a phone only", () => {
    expect(explainStart(refused, identity({ termux: "0.118.1" })).message).toMatch(
      /does not let this Termux execute.*F-Droid/,
    );
    expect(explainStart(refused, identity({ system: "Linux x86_64" }))).toBe(refused);
  });
});
