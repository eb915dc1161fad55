// Training data in the user's cache: EFD1 files named by the digest of their content, which is verified at
// each use. Their owners (corpus.ts, training-data.ts) make a damaged file again. profilers/dataset.ts
// defines the format.
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { type FileHandle, open, rm } from "node:fs/promises";
import { basename } from "node:path";
import { type Dataset, datasetHeader, encodeDataset } from "../../profilers/dataset.ts";
import { partOf, publish, remembered, writeDurably } from "../base/durable-files.ts";
import { cacheFolder, cachePath } from "../base/paths.ts";
import { RunError } from "../base/run-errors.ts";

const HEADER_BYTES = 24;
const NAME = /^([0-9a-f]{32})\.efd$/;

/**
 * The digest covers the header last: a stream is hashed while it is written, and its header counts the
 * tokens.
 */
const pathOf = (digest: string): string => cachePath("data", `${digest.slice(0, 32)}.efd`);

async function contentOf(path: string): Promise<string> {
  const hash = createHash("sha256");
  let header = Buffer.alloc(0);
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 })) {
    const bytes = chunk as Buffer;
    const missing = HEADER_BYTES - header.length;
    if (missing > 0) header = Buffer.concat([header, bytes.subarray(0, missing)]);
    hash.update(bytes.subarray(Math.max(0, missing)));
  }
  return hash.update(header).digest("hex");
}

const digestOf = remembered(contentOf);

/** Returns whether a cached file exists and its content matches its name. */
export async function isIntact(path: string): Promise<boolean> {
  const named = NAME.exec(basename(path))?.[1];
  return (await digestOf(path).catch(() => "")).slice(0, 32) === named;
}

/**
 * Checks that the files still hold the prepared data.
 * @throws RunError (`damaged-cache`) when a file changed.
 */
export async function requireIntact(paths: readonly string[]): Promise<void> {
  for (const path of paths) {
    if (await isIntact(path)) continue;
    throw new RunError(
      "damaged-cache",
      `the training data ${basename(path)} in the cache changed since they were made. Run the command again, which makes them again (a sweep: with --resume)`,
    );
  }
}

/**
 * Stores a generated data set.
 * @returns the path.
 */
export async function keepDataset(dataset: Dataset): Promise<string> {
  const bytes = encodeDataset(dataset);
  const [header, rows] = [bytes.subarray(0, HEADER_BYTES), bytes.subarray(HEADER_BYTES)];
  const path = pathOf(createHash("sha256").update(rows).update(header).digest("hex"));
  if (!(await isIntact(path))) await writeDurably(path, bytes);
  return path;
}

/** One EFD1 stream that is being written under a temporary name. */
export class StreamWriter {
  count = 0;
  bytesOfText = 0;
  private readonly hash = createHash("sha256");

  private constructor(
    private readonly file: FileHandle,
    private readonly part: string,
    private readonly vocab: number,
  ) {}

  static async create(vocab: number): Promise<StreamWriter> {
    cacheFolder("data");
    const part = partOf(cachePath("data", "stream"));
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

  /** @returns the path of the finished stream. */
  async finish(): Promise<string> {
    const header = datasetHeader("stream", this.vocab, 0, this.count);
    await this.file.write(header, 0, header.length, 0);
    await this.file.close();
    const path = pathOf(this.hash.update(header).digest("hex"));
    await publish(this.part, path);
    return path;
  }

  async discard(): Promise<void> {
    await this.file.close().catch(() => {});
    await rm(this.part, { force: true });
  }
}
