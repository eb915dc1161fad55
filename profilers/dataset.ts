// Data for proxy training: token rows with targets, or one run of tokens; and the EFD1 file the trainer reads
// (described in kernels/README.md). Tasks make data sets; runner/ writes them to disk.

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

/** One run of tokens, from which the trainer cuts windows. */
export interface Stream {
  readonly kind: "stream";
  readonly vocab: number;
  readonly tokens: Uint16Array;
}

export type Dataset = Examples | Stream;

/** The EFD1 bytes of a data set, little endian. */
export function encodeDataset(data: Dataset): Buffer {
  const length = data.kind === "examples" ? data.length : 0;
  const count = data.kind === "examples" ? data.inputs.length / data.length : data.tokens.length;
  const header = Buffer.alloc(24);
  header.write("EFD1", 0, "latin1");
  header.writeUInt32LE(data.kind === "examples" ? 0 : 1, 4);
  header.writeUInt32LE(data.vocab, 8);
  header.writeUInt32LE(length, 12);
  header.writeBigUInt64LE(BigInt(count), 16);
  const bytes = (words: Uint16Array): Buffer => {
    const out = Buffer.alloc(words.length * 2);
    for (const [index, word] of words.entries()) out.writeUInt16LE(word, index * 2);
    return out;
  };
  if (data.kind === "stream") return Buffer.concat([header, bytes(data.tokens)]);
  const rows: Buffer[] = [header];
  for (let row = 0; row < count; row++) {
    rows.push(bytes(data.inputs.subarray(row * length, (row + 1) * length)));
    rows.push(bytes(data.targets.subarray(row * length, (row + 1) * length)));
  }
  return Buffer.concat(rows);
}
