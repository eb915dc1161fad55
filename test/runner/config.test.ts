import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { InvalidInputError } from "../../candidates/errors.ts";
import { Space } from "../../candidates/space.ts";
import { PACKAGE_ROOT } from "../../runner/base/version.ts";
import { parseSweepConfig, readSweepConfig } from "../../runner/config/config.ts";
import { sweepJsonSchema } from "../../runner/config/config-schema.ts";
import { withoutPaths } from "../../runner/config/without-paths.ts";
import { resolveBudgets, resolveObjectives } from "../../runner/sweep/metric-names.ts";

const configs = join(PACKAGE_ROOT, "configs");
const minimal = `
name: x
space: { vocab: 256, width: 64, depth: 4, mixers: [c3, g], heads: ["4/2x16"], ffn: 128 }
search: { trials: 3 }
objectives: [{ metric: "peakBytes" }]
`;
const parse = (text: string) => parseSweepConfig(text, "my.yaml");

describe("every file in configs/", () => {
  it.each(readdirSync(configs).filter((name) => name.endsWith(".yaml")))("%s parses and resolves", (name) => {
    const config = readSweepConfig(join(configs, name));
    expect(resolveObjectives(config).length).toBeGreaterThan(0);
    resolveBudgets(config);
    expect(new Space(config.space).size()).toBeGreaterThan(1);
  });

  it("the JSON Schema is the one the code has (npm run schema)", () => {
    expect(readFileSync(join(configs, "sweep.schema.json"), "utf8")).toBe(sweepJsonSchema());
  });
});

describe("rungs", () => {
  const trained = (rungs: string, trainer = "native", objective = "text.bitsPerByte") =>
    parse(`${minimal.replace("peakBytes", objective)}
score: { trainer: ${trainer}, rungs: ${rungs}, proxy: { width: 16, headDim: 8 }, tasks: { text: { task: bytes, options: { corpus: [a.txt] } } } }`);
  it("have defaults, and rise", () => {
    expect(trained("{ at: [0.25, 0.5] }").score!.rungs).toEqual({
      at: [0.25, 0.5],
      eta: 3,
      margin: 0.1,
      minimum: 4,
    });
    expect(() => trained("{ at: [0.5, 0.25] }")).toThrow(/rungs.at.*must rise/);
  });
  it("need a trainer that pauses, and an objective that training decides", () => {
    expect(() => trained("{ at: [0.5] }", "pytorch")).toThrow(/cannot pause.*trainer: native/);
    expect(() => trained("{ at: [0.5] }", "native", "peakBytes")).toThrow(/decided by training/);
  });
});

describe("a wrong configuration is one line that says where and what", () => {
  it.each([
    ["malformed YAML", "name: [x", /my\.yaml:\d+: not valid YAML/],
    ["a duplicate key", `${minimal}\nname: y`, /not valid YAML.*unique/],
    [
      "an unknown key",
      minimal.replace("trials", "trails"),
      /search: unknown key "trails"; did you mean "trials"\?/,
    ],
    ["an unknown top-level key", `${minimal}\nbudget: []`, /unknown key "budget"; did you mean "budgets"\?/],
    [
      "an unknown space key",
      minimal.replace("depth", "dept"),
      /space: .*"dept".*did you mean "depth"|space\.depth/,
    ],
    [
      "a wrong type",
      minimal.replace("trials: 3", "trials: many"),
      /search\.trials: must be a number, not text/,
    ],
    ["no objectives", minimal.replace('[{ metric: "peakBytes" }]', "[]"), /objectives/],
    ["an unknown strategy", minimal.replace("trials: 3", "trials: 3, strategy: nsga3"), /search\.strategy/],
    ["a budget without a bound", `${minimal}\nbudgets: [{ metric: peakBytes }]`, /needs max or min/],
    ["nothing", "", /must be a group of keys/],
  ])("%s", (_what, text, message) => {
    let error: unknown;
    try {
      parse(text);
    } catch (caught) {
      error = caught;
    }
    expect(error).toBeInstanceOf(InvalidInputError);
    expect((error as Error).message).toMatch(message);
    expect((error as Error).message).not.toContain("\n");
  });

  it("task options are checked against their task", () => {
    const text = `${minimal}\nscore: { proxy: { width: 16 }, tasks: { r: { task: mqar, options: { pears: 3 } } } }`;
    expect(() => parse(text)).toThrow(
      /score\.tasks\.r\.options: unknown key "pears"; did you mean "pairs"\?/,
    );
  });
});

describe("metric names", () => {
  const config = (objectives: string, devices = "[local]") =>
    parse(
      `${minimal.replace('[{ metric: "peakBytes" }]', objectives)}\nmeasure: { devices: ${devices}, contexts: [64, 128] }`,
    );

  it("are completed where there is one device, with unit and direction", () => {
    expect(
      resolveObjectives(config('[{ metric: "decodeTokensPerSecond@128" }, { metric: "parameters" }]')),
    ).toEqual([
      { name: "decodeTokensPerSecond@128:local", direction: "max", unit: "tok/s" },
      { name: "parameters", direction: "min", unit: "parameters" },
    ]);
  });

  it.each([
    ['[{ metric: "ttftMs@65" }]', "[local]", /does not measure "ttftMs@65"; did you mean "ttftMs@64/],
    ['[{ metric: "ttftMs@64" }]', "[a, b]", /needs a device: ttftMs@64:a or ttftMs@64:b/],
    ['[{ metric: "peakBytes" }, { metric: "peakBytes:local" }]', "[local]", /given twice/],
  ])("%s on %s is refused", (objectives, devices, message) => {
    expect(() => resolveObjectives(config(objectives, devices))).toThrow(message);
  });

  it("budgets take bytes with units", () => {
    const budgets = (max: string) =>
      resolveBudgets(parse(`${minimal}\nbudgets: [{ metric: peakBytes, max: ${max} }]`));
    expect(budgets("64MB")).toEqual([{ metric: "peakBytes:local", max: 64e6 }]);
    expect(budgets("64MiB")).toEqual([{ metric: "peakBytes:local", max: 64 * 2 ** 20 }]);
  });
});

it("absolute paths of the user do not enter the stored configuration", () => {
  const config = parse(
    `${minimal}\nscore: { proxy: { width: 16 }, tasks: { t: { task: bytes, options: { corpus: ["/home/me/secret/a.txt", "b.txt"] } } } }`,
  );
  const stored = JSON.stringify(withoutPaths(config));
  expect(stored).not.toContain("secret");
  expect(stored).toContain(".../a.txt");
  expect(stored).toContain('"b.txt"');
});
