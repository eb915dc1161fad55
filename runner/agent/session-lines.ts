// Sorts the lines of a device: those of the agent, each checked by the protocol's schema, and other output of
// its shell. Counts every byte, and limits the amount and rate of unrequested ones.
import { issueText } from "../../candidates/issues.ts";
import { type AgentLine, agentLineSchema } from "../../profilers/protocol.ts";
import { sanitise } from "../../profilers/protocol-fields.ts";
import { Budget } from "../devices/meter.ts";

const MAX_DEPTH = 32;
/** The beginning of every agent line. */
const MARK = '{"v":';
/** Budget for start-up files and system messages; a message of the day takes some kilobytes. */
const NOISE_BYTES = 1 << 20;
/**
 * Budget for unrequested answers: one may arrive after its job was given up, and a stopped coordinator finds
 * an hour of heartbeats.
 */
const UNASKED_BYTES = 20 << 20;

export type SortedLine =
  | { readonly kind: "agent"; readonly message: AgentLine; readonly bytes: number }
  /** Output that is not the agent's. */
  | { readonly kind: "noise"; readonly shown: string }
  | { readonly kind: "broken"; readonly why: string };

export class LineSorter {
  readonly #noise = new Budget(NOISE_BYTES, 1024);
  readonly #unasked = new Budget(UNASKED_BYTES, 64 << 10);
  readonly #lines = new Budget(20_000, 500);
  readonly #beats = new Budget(10_000, 2);

  /** @param isShared whether a shell may print into the same pipe. */
  constructor(private readonly isShared: boolean) {}

  sort(line: string): SortedLine {
    const bytes = Buffer.byteLength(line) + 1;
    if (!this.#lines.take(1)) return broken("more lines than any job has to say");
    const from = line.indexOf(MARK);
    if (from < 0 && this.isShared)
      return this.#noise.take(bytes)
        ? { kind: "noise", shown: sanitise(line.slice(0, 80)) }
        : broken(`it prints without end beside its agent: ${line.slice(0, 80)}`);
    // A title sequence has no line end, so an agent line may follow it on the same line.
    const isTitled = from > 0 && this.isShared;
    if (isTitled && !this.#noise.take(from)) return broken("it prints without end beside its agent");
    const read = readLine(isTitled ? line.slice(from) : line);
    if ("broken" in read) return broken(read.broken);
    if (read.type === "heartbeat" && !(this.#beats.take(1) && this.unasked(bytes)))
      return broken("heartbeats without end");
    return { kind: "agent", message: read, bytes };
  }

  /**
   * Counts bytes that belong to no job.
   * @returns false when there were too many.
   */
  unasked(bytes: number): boolean {
    return this.#unasked.take(bytes);
  }
}

const broken = (why: string): SortedLine => ({ kind: "broken", why });

function readLine(line: string): AgentLine | { readonly broken: string } {
  if (depthOf(line) > MAX_DEPTH) return { broken: "nested too deeply" };
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return { broken: `not JSON: ${line.slice(0, 80)}` };
  }
  const parsed = agentLineSchema.safeParse(value);
  return parsed.success ? parsed.data : { broken: issueText(parsed.error) };
}

/**
 * Returns the deepest nesting of a JSON text; strings are skipped. Parsing hostile depth would cost far more
 * than this scan.
 */
function depthOf(line: string): number {
  let depth = 0;
  let deepest = 0;
  for (let i = 0; i < line.length; i++) {
    const c = line.charCodeAt(i);
    if (c === 0x22) {
      for (i++; i < line.length && line.charCodeAt(i) !== 0x22; i++) if (line.charCodeAt(i) === 0x5c) i++;
    } else if (c === 0x5b || c === 0x7b) {
      if (++depth > deepest) deepest = depth;
      if (deepest > MAX_DEPTH) return deepest;
    } else if (c === 0x5d || c === 0x7d) depth--;
  }
  return deepest;
}
