// Writes the file that another engine runs for a layout it expresses only padded: the values of the exact file,
// with zeros between them. candidates/ops/upstream/padding.ts says where the zeros are.
import { open } from "node:fs/promises";
import { InvalidInputError } from "../../candidates/errors.ts";
import { ALIGNMENT, type TensorInfo } from "../../candidates/gguf/encode.ts";
import type { Lowered } from "../../candidates/gguf/lower.ts";
import { elements } from "../../candidates/ops/operator.ts";
import type { PaddedTensor } from "../../candidates/ops/upstream/padding.ts";
import { type TensorType, tensorTypes } from "../../candidates/quantization.ts";
import { RunError } from "../base/run-errors.ts";

/** Largest number of bytes in one piece of the output. */
const PIECE_BYTES = 1 << 22;

const aligned = (bytes: number): number => Math.ceil(bytes / ALIGNMENT) * ALIGNMENT;

/** Returns the size in bytes of a file with weights. */
export const fileBytes = ({ plan, tensors }: Lowered): number =>
  tensors.reduce((sum, { bytes }) => sum + aligned(bytes), plan.length);

function typeOf({ type }: TensorInfo): TensorType {
  return (Object.keys(tensorTypes) as TensorType[]).find((name) => tensorTypes[name].id === type)!;
}

/** Doubles an F16: the next exponent, or for numbers below the normal ones the mantissa shifted. */
function doubledHalf(bits: number): number {
  const magnitude = bits & 0x7fff;
  return (bits & 0x8000) | (magnitude < 0x400 ? magnitude << 1 : magnitude + 0x400);
}

/** Doubles every value of a row in place: its floats, or the scales of its blocks. */
function double(row: Buffer, type: TensorType): void {
  if (type === "f32")
    for (let at = 0; at < row.length; at += 4) row.writeFloatLE(2 * row.readFloatLE(at), at);
  else
    for (let at = 0; at < row.length; at += tensorTypes[type].bytes)
      row.writeUInt16LE(doubledHalf(row.readUInt16LE(at)), at);
}

/** The place of row n of a head of `count` rows, where the pair (i, i + count/2) becomes (2i, 2i+1). */
const placeInPairs = (n: number, count: number): number => (2 * n < count ? 2 * n : 2 * n - count + 1);

/** Sizes of a tensor in bytes. Both files hold it in one number format. */
interface Rows {
  readonly type: TensorType;
  /** A row of the exact file, and of the padded one. */
  readonly bytes: number;
  readonly paddedBytes: number;
  readonly before: number;
  /** Zero rows after each group. */
  readonly added: number;
}

function rowsOf(tensor: PaddedTensor, exact: TensorInfo, padded: TensorInfo): Rows {
  if (exact.type !== padded.type)
    throw new InvalidInputError(
      "not-expressible",
      `${tensor.name} cannot be padded in this number format: its rows of ${exact.shape[0]} do not divide into blocks; ` +
        "write the file with --quant f16",
    );
  const type = typeOf(exact);
  const { block, bytes } = tensorTypes[type];
  const size = (columns: number): number => (columns / block) * bytes;
  const rows = elements(exact.shape) / exact.shape[0]!;
  const paddedRows = elements(padded.shape) / padded.shape[0]!;
  return {
    type,
    bytes: size(exact.shape[0]!),
    paddedBytes: size(padded.shape[0]!),
    before: size(tensor.zerosBefore),
    added: ((paddedRows - rows) * tensor.group) / rows,
  };
}

/**
 * Yields the padded file. `path` is the exact file, with weights, and `exact` its plan. Throws
 * InvalidInputError (`not-expressible`) where a row cannot be padded in the file's number format.
 */
export async function* paddedFile(
  path: string,
  exact: Lowered,
  padded: Lowered,
  tensors: readonly PaddedTensor[],
): AsyncGenerator<Uint8Array> {
  const places = new Map<string, { readonly info: TensorInfo; readonly at: number }>();
  let end = exact.plan.length;
  for (const info of exact.tensors) {
    places.set(info.name, { info, at: end });
    end += aligned(info.bytes);
  }
  const sized = tensors.map((tensor, index) => {
    const own = padded.tensors[index]!;
    if (tensor.from === null) return { zeros: aligned(own.bytes) };
    const { info, at } = places.get(tensor.from.name)!;
    return { zeros: 0, tensor, at, rows: rowsOf(tensor, info, own), info };
  });
  yield padded.plan;
  const file = await open(path, "r");
  try {
    for (const { zeros, tensor, at, rows, info } of sized) {
      for (let left = zeros; left > 0; left -= PIECE_BYTES) yield Buffer.alloc(Math.min(left, PIECE_BYTES));
      if (tensor === undefined) continue;
      let written = 0;
      const groups = elements(info.shape) / info.shape[0]! / tensor.group;
      const perGroup = tensor.group * rows.bytes;
      // A piece is whole groups, or some rows of one group followed by its zeros when the group ends.
      // A head whose rows change their order is one piece.
      const most = tensor.inPairs ? tensor.group : Math.floor(PIECE_BYTES / rows.paddedBytes);
      const step = Math.max(1, Math.min(tensor.group, most));
      for (let group = 0; group < groups; group++)
        for (let row = 0; row < tensor.group; row += step) {
          const count = Math.min(step, tensor.group - row);
          const last = row + count === tensor.group;
          const piece = Buffer.alloc((count + (last ? rows.added : 0)) * rows.paddedBytes);
          const source = Buffer.alloc(count * rows.bytes);
          const { bytesRead } = await file.read(
            source,
            0,
            source.length,
            at + group * perGroup + row * rows.bytes,
          );
          if (bytesRead < source.length) throw new RunError("output-failed", `${path} ends too early`);
          if (tensor.factor === 2) double(source, rows.type);
          for (let n = 0; n < count; n++) {
            const place = tensor.inPairs ? placeInPairs(n, count) : n;
            source.copy(piece, place * rows.paddedBytes + rows.before, n * rows.bytes, (n + 1) * rows.bytes);
          }
          written += piece.length;
          yield piece;
        }
      yield Buffer.alloc(aligned(written) - written);
    }
  } finally {
    await file.close();
  }
}
