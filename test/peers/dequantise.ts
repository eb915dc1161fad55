// Changes a GGUF laid out by `lower`, for a comparison. `dequantised` stores its exact values as F32, because
// both engines approximate them when they round activations to int8. `clearTensors` sets some tensors to
// zero, which disables their operator. `separateRouters` makes the choice of experts certain. Formats: ggml's Q4_0, Q8_0 and Q6_K blocks, and F16.
import { lower } from "../../candidates/gguf/lower.ts";
import type { Layout } from "../../candidates/layout.ts";
import type { Quantization } from "../../candidates/quantization.ts";

const ALIGNMENT = 32;
const aligned = (bytes: number): number => Math.ceil(bytes / ALIGNMENT) * ALIGNMENT;

function half(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  return exponent === 0 ? sign * fraction * 2 ** -24 : sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

/** Decoders of the block at `at`, by ggml type id: elements, bytes, and decoded values. */
const decoders: Record<
  number,
  { elements: number; bytes: number; decode: (b: Buffer, at: number, out: Float32Array, to: number) => void }
> = {
  0: { elements: 1, bytes: 4, decode: (b, at, out, to) => (out[to] = b.readFloatLE(at)) },
  1: { elements: 1, bytes: 2, decode: (b, at, out, to) => (out[to] = half(b.readUInt16LE(at))) },
  2: {
    elements: 32,
    bytes: 18,
    decode: (b, at, out, to) => {
      const scale = half(b.readUInt16LE(at));
      for (let i = 0; i < 16; i++) {
        out[to + i] = scale * ((b[at + 2 + i]! & 15) - 8);
        out[to + 16 + i] = scale * ((b[at + 2 + i]! >> 4) - 8);
      }
    },
  },
  8: {
    elements: 32,
    bytes: 34,
    decode: (b, at, out, to) => {
      const scale = half(b.readUInt16LE(at));
      for (let i = 0; i < 32; i++) out[to + i] = scale * b.readInt8(at + 2 + i);
    },
  },
  14: {
    elements: 256,
    bytes: 210,
    decode: (b, at, out, to) => {
      const scale = half(b.readUInt16LE(at + 208));
      for (let i = 0; i < 256; i++) {
        const [part, run, l] = [i >> 7, (i >> 5) & 3, i & 31];
        const low = (b[at + 64 * part + l + 32 * (run & 1)]! >> (run >= 2 ? 4 : 0)) & 15;
        const high = (b[at + 128 + 32 * part + l]! >> (2 * run)) & 3;
        out[to + i] = scale * b.readInt8(at + 192 + (i >> 4)) * ((low | (high << 4)) - 32);
      }
    },
  },
};

/** Calls `change` with the data of each tensor of `file`, a GGUF with data of this layout in this quantization. */
function forTensors(
  file: Buffer,
  layout: Layout,
  quantization: Quantization,
  change: (name: string, data: Buffer) => void,
): void {
  const { tensors } = lower(layout, { quantization });
  let at = file.length - tensors.reduce((sum, tensor) => sum + aligned(tensor.bytes), 0);
  for (const { name, bytes } of tensors) {
    change(name, file.subarray(at, at + bytes));
    at += aligned(bytes);
  }
}

/** Sets to zero the tensors whose name contains `part`, and returns their number. */
export function clearTensors(file: Buffer, layout: Layout, quantization: Quantization, part: string): number {
  let cleared = 0;
  forTensors(file, layout, quantization, (name, data) => {
    if (!name.includes(part)) return;
    data.fill(0);
    cleared++;
  });
  return cleared;
}

/**
 * Gives the experts of each router biases 2 apart, in an order that differs between layers, so that no rounding
 * decides which experts are chosen: scores lie between 0 and 1. Returns the number of routers.
 */
export function separateRouters(file: Buffer, layout: Layout, quantization: Quantization): number {
  let routers = 0;
  forTensors(file, layout, quantization, (name, data) => {
    if (!name.includes("exp_probs_b")) return;
    const experts = data.length / 4;
    for (let i = 0; i < experts; i++) data.writeFloatLE(2 * ((i + routers) % experts), 4 * i);
    routers++;
  });
  return routers;
}

/**
 * Returns the file with its values as F32. `file` is a GGUF with data of this layout in this quantization.
 */
export function dequantised(file: Buffer, layout: Layout, quantization: Quantization): Buffer {
  const from = lower(layout, { quantization }).tensors;
  const { plan, tensors } = lower(layout, { quantization: "f32" });
  let at = file.length - from.reduce((sum, tensor) => sum + aligned(tensor.bytes), 0);
  const parts: Buffer[] = [plan, Buffer.alloc(aligned(plan.length) - plan.length)];
  for (const [i, tensor] of from.entries()) {
    const { elements, bytes, decode } = decoders[tensor.type]!;
    const out = new Float32Array(tensors[i]!.bytes / 4);
    for (let block = 0; block * elements < out.length; block++)
      decode(file, at + block * bytes, out, block * elements);
    parts.push(Buffer.from(out.buffer), Buffer.alloc(aligned(out.byteLength) - out.byteLength));
    at += aligned(tensor.bytes);
  }
  return Buffer.concat(parts);
}
