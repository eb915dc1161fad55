// Cuts a byte stream into lines under caps, so that a device cannot fill the coordinator's memory.
import { MAX_ANSWER_BYTES, sanitise } from "../../profilers/protocol.ts";

const NEWLINE = 0x0a;

export class LineSplitter {
  #parts: Buffer[] = [];
  #length = 0;
  /** @param onLine called for each whole line. */
  constructor(
    private readonly onLine: (line: string) => void,
    private readonly maxBytes = MAX_ANSWER_BYTES,
  ) {}

  /** @returns false when the line under way has grown past the cap; nothing more should be pushed then. */
  push(chunk: Buffer): boolean {
    let start = 0;
    for (let end = chunk.indexOf(NEWLINE); end >= 0; end = chunk.indexOf(NEWLINE, start)) {
      if (!this.#add(chunk.subarray(start, end))) return false;
      const line = Buffer.concat(this.#parts).toString("utf8");
      this.#parts = [];
      this.#length = 0;
      start = end + 1;
      this.onLine(line);
    }
    return this.#add(chunk.subarray(start));
  }

  #add(part: Buffer): boolean {
    this.#length += part.length;
    if (this.#length > this.maxBytes) {
      this.#parts = [];
      return false;
    }
    if (part.length > 0) this.#parts.push(part);
    return true;
  }
}

/** Keeps the last of what was written to stderr; the rest is read and dropped, or it would stall the channel. */
export class StderrTail {
  #tail = "";
  push(chunk: Buffer): void {
    this.#tail = (this.#tail + chunk.toString("utf8")).slice(-2048);
  }
  /** One line, without control characters. */
  text(): string {
    const lines = this.#tail.split("\n").map((l) => l.trim());
    return sanitise(lines.filter(Boolean).slice(-3).join("; "));
  }
}
