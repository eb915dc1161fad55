// The examples in help: each fits its line, parses, and names only things that exist after the README's first
// command (the sweep quickstart).
import { existsSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { PACKAGE_ROOT } from "../../runner/base/version.ts";
import { layoutFrom } from "../../runner/config/layouts.ts";
import { runCli } from "../support/built-cli.ts";

const ACTIONS = ["add", "list", "show", "probe", "remove", "quarantine", "restore"];
const COMMANDS = [
  ...[
    "sweep",
    "sweeps",
    "front",
    "select",
    "findings",
    "report",
    "replay",
    "reproduce",
    "ui",
    "diff",
    "export",
    "show",
  ],
  ...["compile", "measure", "score", "audit", "device", "doctor"],
];

/** Commands as pasted: lines that end with a backslash continue, comments are removed. */
async function examplesOf(args: readonly string[]): Promise<string[]> {
  const { stdout, code } = await runCli([...args, "--help"], PACKAGE_ROOT);
  expect(code).toBe(0);
  const [, block = ""] = stdout.split("\nExamples:\n");
  const lines = block.split("\n\n")[0]!.split("\n");
  for (const line of lines) expect(line.length).toBeLessThanOrEqual(80);
  return lines
    .map((line) => line.trim())
    .filter((line) => !line.startsWith("#") && line !== "")
    .join("\n")
    .replace(/ \\\n/g, " ")
    .split("\n")
    .flatMap((command) => command.split(" && "))
    .filter((command) => command !== "");
}

const wordsOf = (command: string): string[] =>
  (command.split(" > ")[0]!.match(/(?:[^\s'"]|'[^']*'|"[^"]*")+/g) ?? []).map((word) =>
    word.replace(/['"]/g, ""),
  );

const ownHardware = (command: string): boolean => /^edgefront device add (phone|laptop) /.test(command);

it.each([...COMMANDS.map((name) => [name]), ...ACTIONS.map((name) => ["device", name])])(
  "of %s %s",
  async (...args) => {
    const given = args.filter((arg) => arg !== undefined);
    const examples = await examplesOf(given);
    if (given.join() !== "device") expect(examples.length).toBeGreaterThan(0);
    for (const example of examples) {
      const [program, command, ...rest] = wordsOf(example);
      expect({ example, program, known: COMMANDS.includes(command!) }).toMatchObject({
        program: "edgefront",
        known: true,
      });
      for (const word of rest) {
        if (/\.yaml$/.test(word))
          expect({ example, there: existsSync(join(PACKAGE_ROOT, word)) }).toMatchObject({ there: true });
        if (/^v?\d.* : |^d\d/.test(word)) expect(() => layoutFrom(word)).not.toThrow();
      }
      const named = rest.filter((word) => !word.startsWith("-"));
      if (["front", "select", "findings", "report", "replay"].includes(command!))
        expect(named[0]).toBe("quickstart");
      if (command === "device" && !ownHardware(example))
        expect(named.slice(1, 2)).toEqual(named.length > 1 ? ["local"] : []);
      // The command knows every option. The remaining error is the sweep that this folder lacks.
      const checked = await runCli([command!, ...rest, "--no-such-option"], PACKAGE_ROOT);
      expect(checked.stderr).toContain("there is no option --no-such-option");
    }
  },
  60_000,
);
