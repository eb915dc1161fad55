// Turns the user's files into training data: streamed in pieces, so that memory stays the same whatever their size, and written as two
// EFD1 streams in the cache, by the hash of their bytes. What the files are is remembered by their names, sizes and times.

import { createHash, randomBytes } from "node:crypto";
import { createReadStream, existsSync } from "node:fs";
import { type FileHandle, mkdir, open, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { isAbsolute, resolve } from "node:path";
import { glob } from "tinyglobby";
import { z } from "zod";
import { InvalidInputError } from "../../candidates/errors.ts";
import { counted } from "../../candidates/words.ts";
import { datasetHeader } from "../../profilers/dataset.ts";
import type { Corpus } from "../../profilers/tasks/task.ts";
import { cachePath } from "../paths.ts";
import { type Encoder, encoderOf } from "./encoders.ts";

export interface EncodedCorpus {
  readonly vocab: number;
  readonly trainPath: string;
  readonly validationPath: string;
  /** Of the validation text. */
  readonly bytesPerToken: number;
}

/** The longest piece of a file read at once. */
const PIECE_BYTES = 1 << 18;

interface SourceFile {
  readonly path: string;
  readonly bytes: number;
  readonly modified: number;
}

const unreadable = (path: string, cause: unknown): InvalidInputError => {
  const { code } = cause as NodeJS.ErrnoException;
  const why = code === "EACCES" || code === "EPERM" ? "not permitted" : (code ?? "unreadable");
  return new InvalidInputError(
    "unreadable-corpus",
    `cannot read the corpus file ${path}: ${why}; mend it or leave it out`,
    { cause },
  );
};

/** The files that patterns name, up to the limit, in the order of their paths. */
async function sourceFiles(corpus: Corpus, base: string): Promise<SourceFile[]> {
  const absolute = corpus.patterns.map((pattern) =>
    isAbsolute(pattern) ? pattern : resolve(base, pattern).replaceAll("\\", "/"),
  );
  const paths = (await glob(absolute, { absolute: true, dot: false })).sort();
  if (paths.length === 0) {
    throw new InvalidInputError(
      "empty-corpus",
      `no file matches ${corpus.patterns.join(", ")}; name files that exist`,
    );
  }
  const files: SourceFile[] = [];
  let left = corpus.limitBytes;
  for (const path of paths) {
    if (left <= 0) break;
    const facts = await stat(path).catch((cause: unknown) => {
      throw unreadable(path, cause);
    });
    if (!facts.isFile() || facts.size === 0) continue;
    files.push({ path, bytes: Math.min(facts.size, left), modified: facts.mtimeMs });
    left -= facts.size;
  }
  if (files.length === 0) {
    throw new InvalidInputError(
      "empty-corpus",
      `every file of ${corpus.patterns.join(", ")} is empty; name files with text`,
    );
  }
  return files;
}

/** One EFD1 stream being written under a temporary name; its hash is that of the file without its header's count. */
class StreamWriter {
  count = 0;
  bytesOfText = 0;
  private readonly hash = createHash("sha256");

  private constructor(
    private readonly file: FileHandle,
    private readonly part: string,
    private readonly vocab: number,
  ) {}

  static async create(vocab: number): Promise<StreamWriter> {
    await mkdir(cachePath("data"), { recursive: true });
    const part = cachePath("data", `${randomBytes(8).toString("hex")}.part`);
    const writer = new StreamWriter(await open(part, "w"), part, vocab);
    await writer.file.write(datasetHeader("stream", vocab, 0, 0));
    return writer;
  }

  async add(ids: Buffer, bytesOfText: number): Promise<void> {
    if (ids.length > 0) await this.file.write(ids);
    this.hash.update(ids);
    this.count += ids.length / 2;
    this.bytesOfText += bytesOfText;
  }

  async finish(): Promise<string> {
    const header = datasetHeader("stream", this.vocab, 0, this.count);
    await this.file.write(header, 0, header.length, 0);
    await this.file.close();
    const path = cachePath("data", `${this.hash.update(header).digest("hex").slice(0, 32)}.efd`);
    await rename(this.part, path);
    return path;
  }

  async discard(): Promise<void> {
    await this.file.close().catch(() => {});
    await rm(this.part, { force: true });
  }
}

async function* pieces(file: SourceFile): AsyncGenerator<Buffer> {
  const stream = createReadStream(file.path, { highWaterMark: PIECE_BYTES, end: file.bytes - 1 });
  try {
    for await (const piece of stream) yield piece as Buffer;
  } catch (cause) {
    throw unreadable(file.path, cause);
  }
}

async function encode(
  files: readonly SourceFile[],
  encoder: Encoder,
  splitAt: number,
): Promise<EncodedCorpus> {
  const train = await StreamWriter.create(encoder.vocab);
  const validation = await StreamWriter.create(encoder.vocab);
  try {
    let at = 0;
    for (const file of files) {
      // An encoder may hold back the end of a piece (half a word, half a character); a file's end flushes it.
      for await (const piece of pieces(file)) {
        // A piece across the border is cut there, where the encoder can take a cut.
        const cut = encoder.cut(splitAt - at);
        const parts = cut > 0 && cut < piece.length ? [piece.subarray(0, cut), piece.subarray(cut)] : [piece];
        for (const part of parts) {
          const writer = at < splitAt ? train : validation;
          at += part.length;
          const made = encoder.feed(part, file.path);
          await writer.add(made.ids, made.bytes);
        }
      }
      const rest = encoder.end(file.path);
      await (at <= splitAt ? train : validation).add(rest.ids, rest.bytes);
    }
    const bytesPerToken = validation.count > 0 ? validation.bytesOfText / validation.count : 1;
    const counts = [train.count, validation.count] as const;
    const encoded = {
      vocab: encoder.vocab,
      trainPath: await train.finish(),
      validationPath: await validation.finish(),
      bytesPerToken,
    };
    if (Math.min(...counts) === 0) throw tooSmall(counts[0] + counts[1], 1);
    return encoded;
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

/** Encodes a corpus, or finds it encoded before. Throws InvalidInputError where files are missing, empty, binary or unreadable. */
export async function encodeCorpus(corpus: Corpus, base: string, length: number): Promise<EncodedCorpus> {
  const files = await sourceFiles(corpus, base);
  const encoder = await encoderOf(corpus.encoding, base);
  const total = files.reduce((sum, file) => sum + file.bytes, 0);
  const splitAt = encoder.cut(Math.floor(total * (1 - corpus.validationFraction)));
  const identity = JSON.stringify([1, encoder.identity, files, splitAt]);
  const known = cachePath("data", `${createHash("sha256").update(identity).digest("hex").slice(0, 32)}.json`);
  const encoded = (await recall(known)) ?? (await encode(files, encoder, splitAt));
  await remember(known, encoded);
  const tokensOf = async (path: string): Promise<number> => ((await stat(path)).size - 24) / 2;
  const counts = [await tokensOf(encoded.trainPath), await tokensOf(encoded.validationPath)] as const;
  if (Math.min(...counts) < 2 * (length + 1)) throw tooSmall(counts[0] + counts[1], length);
  return encoded;
}

async function recall(path: string): Promise<EncodedCorpus | undefined> {
  try {
    const { vocab, train, validation, bytesPerToken } = rememberedSchema.parse(
      JSON.parse(await readFile(path, "utf8")),
    );
    const [trainPath, validationPath] = [cachePath("data", train), cachePath("data", validation)];
    return existsSync(trainPath) && existsSync(validationPath)
      ? { vocab, trainPath, validationPath, bytesPerToken }
      : undefined;
  } catch {
    return undefined; // never encoded, or a broken note: encode again
  }
}

async function remember(path: string, encoded: EncodedCorpus): Promise<void> {
  const name = (file: string): string => file.slice(cachePath("data").length + 1);
  const { vocab, trainPath, validationPath, bytesPerToken } = encoded;
  const note = { vocab, train: name(trainPath), validation: name(validationPath), bytesPerToken };
  const part = `${path}.${randomBytes(4).toString("hex")}.part`;
  await writeFile(part, JSON.stringify(note));
  await rename(part, path);
}
