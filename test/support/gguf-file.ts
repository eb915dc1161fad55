// Small GGUF files with data, and edits of them: files like those of other programs, made from ours.
import { type LowerOptions, lower } from "../../candidates/gguf/lower.ts";
import { parseNotation } from "../../candidates/notation.ts";

/** Returns a complete file: the plan, then data of small finite values. */
export function ggufFile(notation: string, options: Partial<LowerOptions> = {}): Buffer {
  const { plan, tensors } = lower(parseNotation(notation), { quantization: "f32", ...options });
  const bytes = tensors.reduce((sum, tensor) => sum + Math.ceil(tensor.bytes / 32) * 32, 0);
  return Buffer.concat([plan, Buffer.alloc(-plan.length & 31), Buffer.alloc(bytes, 0x3a)]);
}

const u32 = (value: number): Buffer => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
};
const text = (value: string): Buffer => {
  const bytes = Buffer.from(value);
  return Buffer.concat([u32(bytes.length), u32(0), bytes]);
};

/**
 * Returns the file with one more piece of metadata. Its size is a multiple of 32 bytes, so that the data
 * stays where the header states.
 */
export function withKey(file: Buffer, key: string, value: number | string): Buffer {
  const entry = Buffer.concat([
    text(key),
    ...(typeof value === "number" ? [u32(4), u32(value)] : [u32(8), text(value)]),
  ]);
  // A second entry, a string, fills the space up to the alignment.
  const padding = "padding";
  const taken = entry.length + text(padding).length + 4 + 8;
  const filler = Buffer.concat([text(padding), u32(8), text("x".repeat(-taken & 31))]);
  const head = Buffer.from(file.subarray(0, 24));
  head.writeBigUInt64LE(head.readBigUInt64LE(16) + 2n, 16);
  return Buffer.concat([head, entry, filler, file.subarray(24)]);
}

/** Returns the file with its version overwritten. */
export function ofVersion(file: Buffer, version: number, magic = "GGUF"): Buffer {
  const copy = Buffer.from(file);
  copy.write(magic, 0, "latin1");
  copy.writeUInt32LE(version, 4);
  return copy;
}
