// Encodes the bytes of a corpus file into token ids, piece by piece: plain bytes, text through a
// tokenizer.json, or shards of ids. Files, splitting and caching are left to corpus.ts.
import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import { InvalidInputError } from "../../candidates/errors.ts";
import { counted } from "../../candidates/words.ts";
import type { Corpus } from "../../profilers/tasks/task.ts";
import { sha256Of } from "../base/durable-files.ts";

export interface Encoded {
  /** Ids as u16, little endian. */
  readonly ids: Buffer;
  /** Bytes of text that the ids stand for. */
  readonly bytes: number;
}

export interface Encoder {
  readonly vocab: number;
  /** Differs whenever the ids would differ. */
  readonly identity: unknown;
  /** Digest of the tokenizer's file; null when none is used. */
  readonly tokenizer: string | null;
  /** Returns the largest offset up to `at` where a file may be cut. */
  cut(at: number): number;
  /**
   * Returns the ids of the next piece of a file, without an end that is held back.
   * @throws InvalidInputError when the piece is not what the encoder expects.
   */
  feed(piece: Buffer, path: string): Encoded;
  /** Returns the held ids up to a place where cutting the text splits no word. */
  settle(): Encoded;
  /** Returns the held ids at the end of a file. */
  end(path: string): Encoded;
}

/** The largest vocabulary: 0xFFFF means "not scored" in training data. */
const MAX_VOCAB = 65_534;
/**
 * Characters passed to a tokenizer at once. On 100,000 tokens without a blank some tokenizers overflow the
 * stack.
 */
const AT_ONCE = 1 << 14;
/** How far before a forced cut a line end or a blank is searched. */
const LOOK_BACK = 1 << 12;
const NOTHING: Encoded = { ids: Buffer.alloc(0), bytes: 0 };

/**
 * Returns the encoder of a corpus. `base`: the folder that a tokenizer's path is relative to.
 * @throws InvalidInputError (`bad-tokenizer`, `vocabulary-too-large`).
 */
export async function encoderOf(encoding: Corpus["encoding"], base: string): Promise<Encoder> {
  if (encoding.kind === "bytes") return byteEncoder(encoding.binary);
  if (encoding.kind === "shards") return shardEncoder(encoding.word, encoding.vocab);
  return tokenizerEncoder(resolve(base, encoding.file));
}

const binary = (path: string, what: string): InvalidInputError =>
  new InvalidInputError(
    "binary-corpus",
    `${path} is not text (${what}); leave it out, or say options.binary: true in a bytes task`,
  );

function byteEncoder(takeBinary: boolean): Encoder {
  return {
    vocab: 256,
    identity: ["bytes", takeBinary],
    tokenizer: null,
    cut: (at) => at,
    feed: (piece, path) => {
      // Among text encodings only UTF-16 holds zero bytes, and it would waste half of the bytes.
      if (!takeBinary && piece.includes(0)) throw binary(path, "it holds zero bytes");
      const ids = Buffer.alloc(2 * piece.length);
      for (let i = 0; i < piece.length; i++) ids[2 * i] = piece[i]!;
      return { ids, bytes: piece.length };
    },
    settle: () => NOTHING,
    end: () => NOTHING,
  };
}

function shardEncoder(word: "u16" | "u32", vocab: number): Encoder {
  const size = word === "u16" ? 2 : 4;
  let held = Buffer.alloc(0);
  return {
    vocab,
    identity: ["shards", word, vocab],
    tokenizer: null,
    cut: (at) => Math.floor(at / size) * size,
    feed: (piece, path) => {
      const all = held.length > 0 ? Buffer.concat([held, piece]) : piece;
      const count = Math.floor(all.length / size);
      held = Buffer.from(all.subarray(count * size));
      const ids = Buffer.alloc(2 * count);
      for (let i = 0; i < count; i++) {
        const id = size === 2 ? all.readUInt16LE(2 * i) : all.readUInt32LE(4 * i);
        if (id >= vocab) {
          throw new InvalidInputError(
            "bad-shard",
            `${path} holds token ${id}, but the task's vocabulary is ${vocab}; check options.vocab and options.word`,
          );
        }
        ids.writeUInt16LE(id, 2 * i);
      }
      return { ids, bytes: count };
    },
    settle: () => NOTHING,
    end: (path) => {
      if (held.length === 0) return NOTHING;
      held = Buffer.alloc(0);
      throw new InvalidInputError(
        "bad-shard",
        `${path} is not a whole number of ${word} ids; check options.word`,
      );
    },
  };
}

/**
 * Returns the best place to cut a text within its first `most` characters: after a line end, else before a
 * blank (which belongs to the next word), else at the limit between two characters. The place depends on the
 * text alone, not on how a file was read.
 */
function cutOf(text: string, most: number): number {
  const last = Math.min(text.length, most);
  const from = Math.max(0, last - LOOK_BACK);
  const line = text.lastIndexOf("\n", last - 1) + 1;
  if (line > from) return line;
  const blank = text.lastIndexOf(" ", last - 1);
  if (blank > from) return blank;
  const pair = last > 1 && /[\ud800-\udbff]/.test(text[last - 1]!);
  return pair ? last - 1 : last;
}

/**
 * Reads a tokenizer, and the digest of its file.
 * @throws InvalidInputError
 */
async function readTokenizer(file: string) {
  const source = await readFile(file).catch((cause: unknown) => {
    throw new InvalidInputError("bad-tokenizer", `cannot read the tokenizer ${file}; name a tokenizer.json`, {
      cause,
    });
  });
  const { Tokenizer } = await import("@huggingface/tokenizers");
  try {
    // Some editors write a byte-order mark before the text.
    const text = source.toString("utf8").replace(/^\ufeff/, "");
    return { tokenizer: new Tokenizer(JSON.parse(text) as object, {}), sha256: sha256Of(source) };
  } catch (cause) {
    throw new InvalidInputError("bad-tokenizer", `${file} is not a tokenizer.json that can be used`, {
      cause,
    });
  }
}

/** Names UTF-16, the only other encoding that marks itself. */
const notUtf8 = (start: Buffer | undefined): string =>
  start !== undefined && /^(fffe|feff)/.test(start.toString("hex", 0, 2))
    ? "it is UTF-16: convert it with `iconv -f UTF-16 -t UTF-8`"
    : "it is not UTF-8";

async function tokenizerEncoder(file: string): Promise<Encoder> {
  const { tokenizer, sha256 } = await readTokenizer(file);
  const vocab = 1 + [...tokenizer.get_vocab(true).values()].reduce((most, id) => Math.max(most, id), 0);
  if (vocab > MAX_VOCAB) {
    throw new InvalidInputError(
      "vocabulary-too-large",
      `${file} has ${counted(vocab, "token")}; proxies take up to ${MAX_VOCAB}: use a smaller tokenizer`,
    );
  }
  const newDecoder = () => new TextDecoder("utf-8", { fatal: true });
  let decoder = newDecoder();
  let text = "";
  const encode = (part: string): Buffer => {
    if (part === "") return NOTHING.ids;
    const { ids } = tokenizer.encode(part, { add_special_tokens: false });
    const words = Buffer.alloc(2 * ids.length);
    for (const [i, id] of ids.entries()) words.writeUInt16LE(id, 2 * i);
    return words;
  };
  /** Encodes held text from its start until at most `keep` characters are left. */
  const take = (keep: number): Encoded => {
    const parts: Buffer[] = [];
    let bytes = 0;
    while (text.length > keep) {
      const cut = text.length > AT_ONCE ? cutOf(text, AT_ONCE) : text.length;
      const part = text.slice(0, cut);
      text = text.slice(cut);
      bytes += Buffer.byteLength(part);
      parts.push(encode(part));
    }
    return { ids: Buffer.concat(parts), bytes };
  };
  const decode = (piece: Buffer | undefined, path: string): void => {
    try {
      text += piece === undefined ? decoder.decode() : decoder.decode(piece, { stream: true });
    } catch {
      throw binary(path, notUtf8(piece));
    }
  };
  return {
    vocab,
    identity: ["tokenizer", sha256],
    tokenizer: sha256,
    cut: (at) => at,
    feed: (piece, path) => {
      decode(piece, path);
      return take(AT_ONCE);
    },
    settle: () => {
      const cut = cutOf(text, text.length);
      const rest = text.slice(cut);
      text = text.slice(0, cut);
      const made = take(0);
      text = rest;
      return made;
    },
    end: (path) => {
      decode(undefined, path);
      decoder = newDecoder();
      return take(0);
    },
  };
}
