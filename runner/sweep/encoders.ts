// How the bytes of a corpus file become token ids, piece by piece: bytes as they are, text through a tokenizer.json, or ids written in
// shards. Files, splitting and caching are corpus.ts's.

import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import { InvalidInputError } from "../../candidates/errors.ts";
import { counted } from "../../candidates/words.ts";
import type { Corpus } from "../../profilers/tasks/task.ts";

export interface Encoded {
  /** u16, little endian. */
  readonly ids: Buffer;
  /** Bytes of text they stand for. */
  readonly bytes: number;
}

export interface Encoder {
  readonly vocab: number;
  /** Differs wherever the ids would. */
  readonly identity: unknown;
  /** The offset at or before `at` where a file may be cut. */
  cut(at: number): number;
  /** The ids of the next piece of a file, but for an end that is held back. @throws InvalidInputError */
  feed(piece: Buffer, path: string): Encoded;
  /** The ids held back, at the end of a file. */
  end(path: string): Encoded;
}

/** Ids end here: 0xFFFF is "not scored" in training data. */
const MAX_VOCAB = 65_534;
/** A line longer than this is cut at a blank, to hold no more of a file than that. */
const LONGEST_LINE = 1 << 20;
const NOTHING: Encoded = { ids: Buffer.alloc(0), bytes: 0 };

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
    identity: ["bytes"],
    cut: (at) => at,
    feed: (piece, path) => {
      // No text encoding but UTF-16 holds a zero byte, and that would be a waste at byte level.
      if (!takeBinary && piece.includes(0)) throw binary(path, "it holds zero bytes");
      const ids = Buffer.alloc(2 * piece.length);
      for (let i = 0; i < piece.length; i++) ids[2 * i] = piece[i]!;
      return { ids, bytes: piece.length };
    },
    end: () => NOTHING,
  };
}

function shardEncoder(word: "u16" | "u32", vocab: number): Encoder {
  const size = word === "u16" ? 2 : 4;
  let held = Buffer.alloc(0);
  return {
    vocab,
    identity: ["shards", word, vocab],
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

/** Text is given to the tokenizer up to the last line end of a piece: a token never spans lines that far apart. */
async function tokenizerEncoder(file: string): Promise<Encoder> {
  const source = await readFile(file).catch((cause: unknown) => {
    throw new InvalidInputError("bad-tokenizer", `cannot read the tokenizer ${file}; name a tokenizer.json`, {
      cause,
    });
  });
  const { Tokenizer } = await import("@huggingface/tokenizers");
  const tokenizer = (() => {
    try {
      return new Tokenizer(JSON.parse(source.toString("utf8")) as object, {});
    } catch (cause) {
      throw new InvalidInputError("bad-tokenizer", `${file} is not a tokenizer.json that can be used`, {
        cause,
      });
    }
  })();
  const vocab = 1 + [...tokenizer.get_vocab(true).values()].reduce((most, id) => Math.max(most, id), 0);
  if (vocab > MAX_VOCAB) {
    throw new InvalidInputError(
      "vocabulary-too-large",
      `${file} has ${counted(vocab, "token")}; proxies take up to ${MAX_VOCAB}: use a smaller tokenizer`,
    );
  }
  let decoder = new TextDecoder("utf-8", { fatal: true });
  let text = "";
  const encode = (part: string): Encoded => {
    if (part === "") return NOTHING;
    const { ids } = tokenizer.encode(part, { add_special_tokens: false });
    const words = Buffer.alloc(2 * ids.length);
    for (const [i, id] of ids.entries()) words.writeUInt16LE(id, 2 * i);
    return { ids: words, bytes: Buffer.byteLength(part) };
  };
  const decode = (piece: Buffer | undefined, path: string): string => {
    try {
      return piece === undefined ? decoder.decode() : decoder.decode(piece, { stream: true });
    } catch {
      throw binary(path, "it is not UTF-8");
    }
  };
  return {
    vocab,
    identity: ["tokenizer", createHash("sha256").update(source).digest("hex")],
    cut: (at) => at,
    feed: (piece, path) => {
      text += decode(piece, path);
      let line = text.lastIndexOf("\n") + 1;
      if (line === 0 && text.length > LONGEST_LINE) line = text.lastIndexOf(" ") + 1 || text.length;
      const ready = text.slice(0, line);
      text = text.slice(line);
      return encode(ready);
    },
    end: (path) => {
      const rest = text + decode(undefined, path);
      text = "";
      decoder = new TextDecoder("utf-8", { fatal: true });
      return encode(rest);
    },
  };
}
