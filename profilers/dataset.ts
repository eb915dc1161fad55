// Data for proxy training: token rows with targets, or one stream of tokens. Encodes the EFD1 file that the
// trainer reads (described in kernels/README.md). Tasks make data sets; runner/ writes them to disk.

/** A target that is not scored. */
export const UNSCORED = 0xffff;

/** Rows of `length` inputs and `length` targets each, row after row. */
export interface Examples {
  readonly kind: "examples";
  readonly vocab: number;
  readonly length: number;
  readonly inputs: Uint16Array;
  readonly targets: Uint16Array;
}

/** One stream of tokens. The trainer cuts windows from it. */
export interface Stream {
  readonly kind: "stream";
  readonly vocab: number;
  readonly tokens: Uint16Array;
}

export type Dataset = Examples | Stream;

/** Returns the header of an EFD1 file with `count` rows or tokens (24 bytes). */
export function datasetHeader(kind: Dataset["kind"], vocab: number, length: number, count: number): Buffer {
  const header = Buffer.alloc(24);
  header.write("EFD1", 0, "latin1");
  header.writeUInt32LE(kind === "examples" ? 0 : 1, 4);
  header.writeUInt32LE(vocab, 8);
  header.writeUInt32LE(length, 12);
  header.writeBigUInt64LE(BigInt(count), 16);
  return header;
}

/** Returns token ids in the encoding of the files: 2 bytes each, little endian. */
export function encodeTokens(words: Uint16Array): Buffer {
  const out = Buffer.alloc(words.length * 2);
  for (const [index, word] of words.entries()) out.writeUInt16LE(word, index * 2);
  return out;
}

/** Returns the EFD1 bytes of a data set, little endian. */
export function encodeDataset(data: Dataset): Buffer {
  if (data.kind === "stream") {
    const { vocab, tokens } = data;
    return Buffer.concat([datasetHeader("stream", vocab, 0, tokens.length), encodeTokens(tokens)]);
  }
  const { vocab, length, inputs, targets } = data;
  const count = inputs.length / length;
  const rows: Buffer[] = [datasetHeader("examples", vocab, length, count)];
  for (let row = 0; row < count; row++) {
    rows.push(encodeTokens(inputs.subarray(row * length, (row + 1) * length)));
    rows.push(encodeTokens(targets.subarray(row * length, (row + 1) * length)));
  }
  return Buffer.concat(rows);
}
