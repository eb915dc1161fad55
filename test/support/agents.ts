// Shared by tests of agents: small plans and data files, and outside views of an agent's processes.
import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { lower } from "../../candidates/gguf/lower.ts";
import { parseNotation } from "../../candidates/notation.ts";
import type { Quantization } from "../../candidates/quantization.ts";

export const TINY = "v512 d64 f128 h4/2x16 : c3 g c3 s8";

/** Returns a plan of a notation in base64, with weights from seed 1. */
export function planOf(notation = TINY, quantization: Quantization = "q8_0"): string {
  return lower(parseNotation(notation), { quantization, seed: 1 }).plan.toString("base64");
}

/**
 * Returns an EFD1 file of examples in which each token is followed by its successor modulo the vocabulary.
 */
export function countingExamples(rows: number, length: number, vocab: number): Buffer {
  const file = Buffer.alloc(24 + rows * length * 4);
  file.write("EFD1");
  file.writeUInt32LE(0, 4);
  file.writeUInt32LE(vocab, 8);
  file.writeUInt32LE(length, 12);
  file.writeBigUInt64LE(BigInt(rows), 16);
  let at = 24;
  for (let row = 0; row < rows; row++) {
    for (const shift of [0, 1]) {
      for (let i = 0; i < length; i++) at = file.writeUInt16LE((row * 7 + i + shift) % vocab, at);
    }
  }
  return file;
}

export function childrenOf(pid: number): number[] {
  try {
    return readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").split(" ").filter(Boolean).map(Number);
  } catch {
    return [];
  }
}

/** Returns whether a process is alive. A process that only waits to be reaped is not. */
export function isAlive(pid: number): boolean {
  try {
    return !/^State:\s*[ZX]/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
  } catch {
    return false;
  }
}

/** Waits until a condition holds and returns its value. Throws Error when it does not hold in time. */
export async function until<T>(
  what: string,
  condition: () => T | undefined | false,
  timeoutMs = 10_000,
): Promise<T> {
  const end = performance.now() + timeoutMs;
  for (;;) {
    const value = condition();
    if (value !== undefined && value !== false) return value;
    if (performance.now() > end) throw new Error(`still not: ${what}`);
    await sleep(20);
  }
}
