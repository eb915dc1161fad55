// Detects the contents of a file by its first bytes, independently of its name: content-addressed stores
// (Ollama, HuggingFace's cache) keep models under names without an ending.
import { closeSync, openSync, readSync, type Stats, statSync } from "node:fs";

/** Returns facts of a file or folder; undefined when it does not exist, or the name is impossible. */
export function factsOf(path: string): Stats | undefined {
  try {
    return statSync(path);
  } catch {
    return undefined;
  }
}

function firstBytes(path: string, count: number): Buffer {
  if (!factsOf(path)?.isFile()) return Buffer.alloc(0);
  const bytes = Buffer.alloc(count);
  try {
    const file = openSync(path, "r");
    try {
      return bytes.subarray(0, readSync(file, bytes, 0, count, 0));
    } finally {
      closeSync(file);
    }
  } catch {
    return Buffer.alloc(0);
  }
}

const GGUF_ENDING = /\.gguf$/i;

/** Returns whether a file is a GGUF by content or name. The kernels report a broken file with such a name. */
export const isGguf = (path: string): boolean =>
  GGUF_ENDING.test(path) || ["GGUF", "FUGG"].includes(firstBytes(path, 4).toString("latin1"));

/** Returns the format of a file of weights; null for text, which may be a layout. */
export function weightsFormat(path: string): string | null {
  const start = firstBytes(path, 16);
  const text = start.toString("latin1");
  if (text.startsWith("GGUF") || text.startsWith("FUGG")) return "GGUF";
  if (start.length > 9 && text[8] === "{" && start[7] === 0 && start[6] === 0) return "safetensors";
  if (text.startsWith("PK\u0003\u0004") || (start[0] === 0x80 && start[1]! <= 5)) return "PyTorch";
  if (text.startsWith("\u0089HDF")) return "HDF5";
  return null;
}
