// Turns the user's files into training data: two EFD1 streams in the cache. Files are streamed in pieces, so
// memory does not grow with their size. Encoded data is found again by the content of files and tokenizer and
// by the split, never by names, sizes or times.
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { readFile, stat } from "node:fs/promises";
import { basename } from "node:path";
import { z } from "zod";
import { InvalidInputError } from "../../candidates/errors.ts";
import { counted } from "../../candidates/words.ts";
import type { Corpus } from "../../profilers/tasks/task.ts";
import { sha256Of, writeDurably } from "../base/durable-files.ts";
import { cachePath } from "../base/paths.ts";
import { type SourceFile, sourceFiles, unreadable } from "./corpus-files.ts";
import { isIntact, StreamWriter } from "./data-files.ts";
import { type Encoder, encoderOf } from "./encoders.ts";

export interface EncodedCorpus {
  readonly vocab: number;
  readonly trainPath: string;
  readonly validationPath: string;
  /** Bytes of validation text for each token. */
  readonly bytesPerToken: number;
}

/** The input that a corpus was encoded from. */
export interface CorpusSource {
  readonly files: number;
  readonly bytes: number;
  /** SHA-256 of the sizes and bytes of all files, in order. */
  readonly sha256: string;
  /** Digest of the tokenizer; null when none is used. */
  readonly tokenizer: string | null;
}

/** The longest piece of a file that is read at once. */
const PIECE_BYTES = 1 << 18;

async function* pieces(file: SourceFile): AsyncGenerator<Buffer> {
  const stream = createReadStream(file.path, { highWaterMark: PIECE_BYTES, end: file.bytes - 1 });
  try {
    for await (const piece of stream) yield piece as Buffer;
  } catch (cause) {
    throw unreadable(file.path, cause);
  }
}

/** The digest of several files. Each file's size comes first, so that the borders between files count. */
class FilesHash {
  private readonly hash = createHash("sha256");
  begin({ bytes }: SourceFile): void {
    this.hash.update(`${bytes}:`);
  }
  add(piece: Buffer): void {
    this.hash.update(piece);
  }
  digest(): string {
    return this.hash.digest("hex");
  }
}

async function digestOf(files: readonly SourceFile[]): Promise<string> {
  const hash = new FilesHash();
  for (const file of files) {
    hash.begin(file);
    for await (const piece of pieces(file)) hash.add(piece);
  }
  return hash.digest();
}

interface Writers {
  readonly train: StreamWriter;
  readonly validation: StreamWriter;
}

/**
 * Encodes the files into the two streams.
 * @returns the digest of the bytes read.
 */
async function stream(
  files: readonly SourceFile[],
  encoder: Encoder,
  splitAt: number,
  { train, validation }: Writers,
): Promise<string> {
  const hash = new FilesHash();
  let at = 0;
  for (const file of files) {
    hash.begin(file);
    // An encoder may hold back the end of a piece (half a word, half a character); the end of the file
    // flushes it.
    for await (const piece of pieces(file)) {
      hash.add(piece);
      // A piece across the border is split there, at a place where the encoder allows it.
      const cut = encoder.cut(splitAt - at);
      const parts = cut > 0 && cut < piece.length ? [piece.subarray(0, cut), piece.subarray(cut)] : [piece];
      for (const part of parts) {
        const writer = at < splitAt ? train : validation;
        at += part.length;
        const made = encoder.feed(part, file.path);
        await writer.add(made.ids, made.bytes);
        if (writer === validation || at < splitAt) continue;
        const settled = encoder.settle();
        await train.add(settled.ids, settled.bytes);
      }
    }
    const rest = encoder.end(file.path);
    await (at <= splitAt ? train : validation).add(rest.ids, rest.bytes);
  }
  return hash.digest();
}

async function encode(
  files: readonly SourceFile[],
  sha256: string,
  encoder: Encoder,
  splitAt: number,
): Promise<EncodedCorpus> {
  const train = await StreamWriter.create(encoder.vocab);
  const validation = await StreamWriter.create(encoder.vocab);
  try {
    if ((await stream(files, encoder, splitAt, { train, validation })) !== sha256)
      throw new InvalidInputError(
        "corpus-changed",
        "a file of the corpus changed while it was read; run the command again when the file no longer changes",
      );
    const bytesPerToken = validation.count > 0 ? validation.bytesOfText / validation.count : 1;
    if (Math.min(train.count, validation.count) === 0) throw tooSmall(train.count + validation.count, 1);
    return {
      vocab: encoder.vocab,
      trainPath: await train.finish(),
      validationPath: await validation.finish(),
      bytesPerToken,
    };
  } catch (error) {
    await Promise.all([train.discard(), validation.discard()]);
    throw error;
  }
}

const tooSmall = (tokens: number, length: number): InvalidInputError =>
  new InvalidInputError(
    "corpus-too-small",
    `the corpus has ${counted(tokens, "token")}, too few for windows of ${counted(length, "token")} in training and validation; name more files`,
  );

const rememberedSchema = z.object({
  vocab: z.int().positive(),
  train: z.string(),
  validation: z.string(),
  bytesPerToken: z.number().positive(),
});

/**
 * Encodes a corpus, or finds it in the cache.
 * @throws InvalidInputError when files are missing, empty, binary or unreadable.
 */
export async function encodeCorpus(
  corpus: Corpus,
  base: string,
  length: number,
): Promise<EncodedCorpus & { readonly source: CorpusSource }> {
  const files = await sourceFiles(corpus, base);
  const sha256 = await digestOf(files);
  const encoder = await encoderOf(corpus.encoding, base);
  const bytes = files.reduce((sum, file) => sum + file.bytes, 0);
  const splitAt = encoder.cut(Math.floor(bytes * (1 - corpus.validationFraction)));
  const known = cachePath("data", `${sha256Of(JSON.stringify([2, encoder.identity, sha256, splitAt]))}.json`);
  const before = await recall(known);
  const encoded = before ?? (await encode(files, sha256, encoder, splitAt));
  if (before === undefined) await remember(known, encoded);
  const tokensOf = async (path: string): Promise<number> => ((await stat(path)).size - 24) / 2;
  const counts = [await tokensOf(encoded.trainPath), await tokensOf(encoded.validationPath)] as const;
  if (Math.min(...counts) < 2 * (length + 1)) throw tooSmall(counts[0] + counts[1], length);
  return { ...encoded, source: { files: files.length, bytes, sha256, tokenizer: encoder.tokenizer } };
}

/**
 * Reads the note of an encoded corpus: its digest, then the note. Returns undefined when note or data are
 * missing or damaged; the corpus is then encoded again.
 */
async function recall(path: string): Promise<EncodedCorpus | undefined> {
  try {
    const [sha256, note] = (await readFile(path, "utf8")).split("\n");
    if (note === undefined || sha256Of(note) !== sha256) return undefined;
    const { vocab, train, validation, bytesPerToken } = rememberedSchema.parse(JSON.parse(note));
    const [trainPath, validationPath] = [cachePath("data", train), cachePath("data", validation)];
    const intact = (await isIntact(trainPath)) && (await isIntact(validationPath));
    return intact ? { vocab, trainPath, validationPath, bytesPerToken } : undefined;
  } catch {
    return undefined;
  }
}

async function remember(path: string, encoded: EncodedCorpus): Promise<void> {
  const { vocab, trainPath, validationPath, bytesPerToken } = encoded;
  const note = JSON.stringify({
    vocab,
    train: basename(trainPath),
    validation: basename(validationPath),
    bytesPerToken,
  });
  await writeDurably(path, `${sha256Of(note)}\n${note}`);
}
