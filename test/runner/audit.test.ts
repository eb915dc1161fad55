// The audit over a finished sweep, through the command line: its training, its findings, and its effect on
// the front's texts.
import { afterAll, beforeAll, expect, it } from "vitest";
import { runCli, temporaryFolder } from "../support/built-cli.ts";
import { writeTinySweep } from "../support/tiny-sweep.ts";

const folder = temporaryFolder();
const run = (...args: string[]) => runCli(args, folder.path);
let config: string;
beforeAll(async () => {
  config = writeTinySweep(folder.path, { trials: 12 });
  expect((await run("sweep", config)).code).toBe(0);
});
afterAll(() => folder.remove());

it("a proxy that is no better than chance is called weak, and so are the points that rest on it", async () => {
  const before = JSON.parse((await run("front", "tiny", "--json")).stdout);
  expect(before.proxies).toEqual([]);
  const { stdout, stderr, code } = await run("audit", config, "--layouts", "10", "--longer", "3", "--json");
  expect(code, stderr).toBe(0);
  const [proxy] = JSON.parse(stdout).proxies;
  expect(proxy).toMatchObject({ metric: "text.bitsPerByte", layouts: 10, longer: 3, strata: [] });
  expect(Math.abs(proxy.tau)).toBeLessThanOrEqual(1);
  expect(proxy.low).toBeLessThanOrEqual(proxy.high);
  expect(proxy.weak).toBe(proxy.low < 0.5);
  const front = await run("front", "tiny");
  expect(front.stdout.includes("rests on a weak proxy")).toBe(proxy.weak);
  expect(JSON.parse((await run("front", "tiny", "--json")).stdout).proxies).toEqual([proxy]);
});

it.each([
  [["--task", "recal"], /has no task "recal"/],
  [["--layouts", "9"], /--layouts is 9, but must be a whole number of at least 10/],
  [["--longer", "1"], /--longer is 1, but must be above 1/],
  [["--name", "other"], /no sweep named "other"|other/],
])("refuses %j in one line", async (more, message) => {
  const { stderr, code } = await run("audit", config, ...more);
  expect(code).toBe(2);
  expect(stderr.trim().split("\n")).toHaveLength(1);
  expect(stderr).toMatch(message);
});

it("says how far scores reach, and refuses a sweep with too few layouts to order", {
  timeout: 240_000,
}, async () => {
  const { stdout } = await run("audit", config, "--layouts", "10", "--longer", "2");
  expect(stdout).toContain("rank nothing above width 16");
  expect((await run("front", "tiny")).stdout.replace(/\s+/g, " ")).toContain("ranks nothing above width 16");
  const few = writeTinySweep(folder.path, { name: "few", trials: 4 });
  expect((await run("sweep", few)).code).toBe(0);
  const refused = await run("audit", few);
  expect(refused.code).toBe(2);
  expect(refused.stderr).toMatch(/few has 4 complete trials; an audit needs 10 at least/);
});
