// Writes GGUF version 3 at the byte level: metadata and tensor table of a little-endian file. Source: ggml
// docs/gguf.md. lower.ts decides the content of a file. The kernels write the tensor data.

export type MetadataValue =
  | { readonly type: "u32" | "u64" | "f32"; readonly value: number }
  | { readonly type: "bool"; readonly value: boolean }
  | { readonly type: "string"; readonly value: string }
  | { readonly type: "i32[]" | "f32[]"; readonly value: readonly number[] }
  | { readonly type: "bool[]"; readonly value: readonly boolean[] }
  | { readonly type: "string[]"; readonly value: readonly string[] };

export interface TensorInfo {
  readonly name: string;
  readonly shape: readonly number[];
  /** ggml type id. */
  readonly type: number;
  readonly bytes: number;
}

export const ALIGNMENT = 32;
const GGUF_VERSION = 3;
const typeIds = { u32: 4, i32: 5, f32: 6, bool: 7, string: 8, array: 9, u64: 10 } as const;

const align = (offset: number): number => Math.ceil(offset / ALIGNMENT) * ALIGNMENT;

/** Collects little-endian fields. */
class ByteWriter {
  private readonly parts: Buffer[] = [];

  u8(value: number): void {
    this.parts.push(Buffer.from([value]));
  }
  u32(value: number): void {
    const part = Buffer.alloc(4);
    part.writeUInt32LE(value);
    this.parts.push(part);
  }
  i32(value: number): void {
    const part = Buffer.alloc(4);
    part.writeInt32LE(value);
    this.parts.push(part);
  }
  f32(value: number): void {
    const part = Buffer.alloc(4);
    part.writeFloatLE(value);
    this.parts.push(part);
  }
  u64(value: number): void {
    const part = Buffer.alloc(8);
    part.writeBigUInt64LE(BigInt(value));
    this.parts.push(part);
  }
  string(value: string): void {
    const bytes = Buffer.from(value, "utf8");
    this.u64(bytes.length);
    this.parts.push(bytes);
  }
  bytes(): Buffer {
    return Buffer.concat(this.parts);
  }
}

function writeValue(out: ByteWriter, { type, value }: MetadataValue): void {
  const array = (elementType: number, items: readonly unknown[]): void => {
    out.u32(typeIds.array);
    out.u32(elementType);
    out.u64(items.length);
  };
  switch (type) {
    case "i32[]":
      array(typeIds.i32, value);
      for (const item of value) out.i32(item);
      break;
    case "f32[]":
      array(typeIds.f32, value);
      for (const item of value) out.f32(item);
      break;
    case "bool[]":
      array(typeIds.bool, value);
      for (const item of value) out.u8(item ? 1 : 0);
      break;
    case "string[]":
      array(typeIds.string, value);
      for (const item of value) out.string(item);
      break;
    case "bool":
      out.u32(typeIds.bool);
      out.u8(value ? 1 : 0);
      break;
    case "string":
      out.u32(typeIds.string);
      out.string(value);
      break;
    default:
      out.u32(typeIds[type]);
      out[type](value);
  }
}

/**
 * Returns header, metadata and tensor table: a file without its data, padded to the offset where the data
 * begins. Sizes are in bytes.
 */
export function encodeGguf(
  metadata: ReadonlyMap<string, MetadataValue>,
  tensors: readonly TensorInfo[],
): Buffer {
  const out = new ByteWriter();
  out.u32(0x46554747); // "GGUF"
  out.u32(GGUF_VERSION);
  out.u64(tensors.length);
  out.u64(metadata.size);
  for (const [key, value] of metadata) {
    out.string(key);
    writeValue(out, value);
  }
  let offset = 0;
  for (const tensor of tensors) {
    out.string(tensor.name);
    out.u32(tensor.shape.length);
    for (const n of tensor.shape) out.u64(n);
    out.u32(tensor.type);
    out.u64(offset);
    offset = align(offset + tensor.bytes);
  }
  const header = out.bytes();
  return Buffer.concat([header, Buffer.alloc(align(header.length) - header.length)]);
}
