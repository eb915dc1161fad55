// Scripted sweeps in one folder, whose corpus, tokenizer, teacher, device and agent can be changed between
// runs.
import { statSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "vitest";
import { renderJsonl } from "../../reports/json.ts";
import { reportData, reportRows } from "../../runner/reading/sweep-reader.ts";
import { Store } from "../../runner/store/store.ts";
import type { AgentScript } from "./agent-script.ts";
import { temporaryFolder } from "./built-cli.ts";
import { type ScriptedSweeps, scriptedSweeps } from "./scripted-sweep.ts";

export const TRIALS = 6;
const config = (score: string): string => `name: scripted
space: { vocab: 256, width: [32, 64, 96, 128], depth: [2, 3, 4], mixers: [c2, c3, s8, g], heads: ["4/2x16"], ffnMultiple: 32, ffn: [64, 128] }
search: { strategy: random, trials: ${TRIALS}, batch: 2 }
measure: { devices: [local], contexts: [32], decodeTokens: 4, repetitions: 3, protocol: { guarded: false, retries: 0 } }
objectives: [{ metric: decodeP50Ms@32 }, { metric: "kvBytes@32" }]
${score}
`;
export const scored = (task: string, training = ""): string =>
  config(
    `score: { proxy: { width: 16, headDim: 8 }, tasks: { text: { ${task}, training: { steps: 20${training} } } } }`,
  );
export const bytes = scored("task: bytes, options: { corpus: [corpus.txt], length: 32 }");
export const tokens = scored(
  "task: tokens, options: { corpus: [corpus.txt], length: 32, tokenizer: tokenizer.json }",
);
export const characters = (order: string): string =>
  JSON.stringify({
    version: "1.0",
    added_tokens: [],
    normalizer: null,
    pre_tokenizer: null,
    post_processor: null,
    decoder: null,
    model: { type: "Unigram", unk_id: 0, vocab: [["<unk>", 0], ...[...order].map((c, i) => [c, -1 - i])] },
  });

/** The test file that uses it must remove it. */
export const folder = temporaryFolder();
export const file = (name: string): string => join(folder.path, name);
let current: ScriptedSweeps;
/** Returns the sweeps of the present build. */
export const sweepsNow = (): ScriptedSweeps => current;
export async function rebuild(build?: string): Promise<void> {
  current = await scriptedSweeps(folder.path, {}, build);
}
export const script = (text: AgentScript): void => writeFileSync(file("script.json"), JSON.stringify(text));
const teacher = file("teacher.efl");

/**
 * Replaces a file's content by another of the same length and restores its times, so that only the bytes
 * differ.
 */
export function swap(name: string, content: string): void {
  const { atime, mtime, size } = statSync(file(name));
  expect(content).toHaveLength(size);
  writeFileSync(file(name), content);
  utimesSync(file(name), atime, mtime);
}
export const TEXT = "the quick brown fox jumps over the lazy dog. ";
const corpus = (text: string): void => writeFileSync(file("corpus.txt"), text.repeat(200));
export const ALPHABET = "abcdefghijklmnopqrstuvwxyz .";

/** Makes a sweep that was killed after its third trial. */
export async function killed(db: string, text: string): Promise<void> {
  let ended = 0;
  await current.run(`whole-${db}`, text, {
    listen: ({ kind }) => {
      if (kind === "trial" && ++ended === 3) current.copy(`whole-${db}`, db);
    },
  });
}

export function reportOf(db: string, name = "scripted") {
  const store = Store.open(file(db));
  try {
    const sweep = store.sweeps.get(name);
    return { data: reportData(store, sweep), lines: [...renderJsonl(reportRows(store, sweep))] };
  } finally {
    store.close();
  }
}

export const reset = (): void => {
  corpus(TEXT);
  writeFileSync(file("tokenizer.json"), characters(ALPHABET));
  writeFileSync(teacher, "teacher one");
  script({});
};

export const taught = (): string =>
  scored(
    "task: bytes, options: { corpus: [corpus.txt], length: 32 }",
    `, distill: { teacher: "${teacher}" }`,
  );
