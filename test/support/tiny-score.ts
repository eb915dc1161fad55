// `edgefront score` on a small layout with proxies of a few steps, in a folder of its own.
import { expect } from "vitest";
import { runCli, temporaryFolder } from "./built-cli.ts";
import { writeTinySweep } from "./tiny-sweep.ts";

const LAYOUT = "v256 d64 f128 h4/2x16 : c3 g";

export function tinyScore() {
  const folder = temporaryFolder();
  const config = writeTinySweep(folder.path, { steps: 12 });
  /** Scores by the caller's own configuration. */
  const scoreWith = (path: string, ...more: string[]) =>
    runCli(["score", LAYOUT, "--config", path, ...more], folder.path);
  const scoredWith = async (path: string, ...more: string[]) => {
    const { stdout, stderr, code } = await scoreWith(path, ...more, "--json");
    expect(code, stderr).toBe(0);
    return JSON.parse(stdout);
  };
  return {
    folder,
    config,
    scoreWith,
    scoredWith,
    score: (...more: string[]) => scoreWith(config, ...more),
    scored: (...more: string[]) => scoredWith(config, ...more),
  };
}
