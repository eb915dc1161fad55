// Cuts a byte stream into lines under caps, so that a device cannot fill the coordinator's memory.
import { MAX_ANSWER_BYTES, sanitise } from "../../profilers/protocol-fields.ts";

const NEWLINE = 0x0a;
const FIRST_BYTES = 64 << 10;

/** A buffer that grows by doubling. A list of chunks would take 145 bytes for each packet of one byte. */
class GrowingBuffer {
  #bytes = Buffer.alloc(0);
  length = 0;

  add(part: Buffer): void {
    const needed = this.length + part.length;
    if (needed > this.#bytes.length) {
      const larger = Buffer.allocUnsafeSlow(Math.max(FIRST_BYTES, 2 ** Math.ceil(Math.log2(needed))));
      this.#bytes.copy(larger, 0, 0, this.length);
      this.#bytes = larger;
    }
    part.copy(this.#bytes, this.length);
    this.length = needed;
  }

  take(): string {
    const words = this.#bytes.toString("utf8", 0, this.length);
    this.clear();
    return words;
  }

  clear(): void {
    this.length = 0;
    if (this.#bytes.length > FIRST_BYTES) this.#bytes = Buffer.alloc(0);
  }
}

export class LineSplitter {
  readonly #line = new GrowingBuffer();
  /** @param onLine called for each whole line. */
  constructor(
    private readonly onLine: (line: string) => void,
    private readonly maxBytes = MAX_ANSWER_BYTES,
  ) {}

  /** @returns false if the present line exceeds the cap; nothing more may be pushed then. */
  push(chunk: Buffer): boolean {
    let start = 0;
    for (let end = chunk.indexOf(NEWLINE); end >= 0; end = chunk.indexOf(NEWLINE, start)) {
      const part = chunk.subarray(start, end);
      start = end + 1;
      if (this.#line.length === 0 && part.length <= this.maxBytes) {
        this.onLine(part.toString("utf8"));
        continue;
      }
      if (!this.#add(part)) return false;
      this.onLine(this.#line.take());
    }
    return this.#add(chunk.subarray(start));
  }

  #add(part: Buffer): boolean {
    if (this.#line.length + part.length > this.maxBytes) {
      this.#line.clear();
      return false;
    }
    if (part.length > 0) this.#line.add(part);
    return true;
  }
}

/** Keeps the end of stderr. The rest is read and dropped, because unread output would stall the channel. */
export class StderrTail {
  static readonly #BYTES = 2048;
  /** Twice the kept length, so that its contents move only rarely. */
  readonly #tail = Buffer.alloc(2 * StderrTail.#BYTES);
  #length = 0;

  push(chunk: Buffer): void {
    const part = chunk.subarray(-StderrTail.#BYTES);
    if (this.#length + part.length > this.#tail.length) {
      const kept = StderrTail.#BYTES - part.length;
      this.#tail.copyWithin(0, this.#length - kept, this.#length);
      this.#length = kept;
    }
    part.copy(this.#tail, this.#length);
    this.#length += part.length;
  }

  /** Returns one line, without control characters. */
  text(): string {
    const last = this.#tail.toString("utf8", Math.max(0, this.#length - StderrTail.#BYTES), this.#length);
    const lines = last.split("\n").map((l) => l.trim());
    return sanitise(lines.filter(Boolean).slice(-3).join("; "));
  }
}
