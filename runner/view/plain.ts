// Plain lines for pipes and logs: no control characters, one line for each event that a log should keep.
import type { Writable } from "node:stream";
import type { Listener } from "../farm/events.ts";
import { lineOf } from "./event-lines.ts";

const MAX_UNREAD = 1 << 20;

/** Returns a listener that writes each event's line to the stream. */
export function plainListener(stream: Writable): Listener {
  return (event) => {
    const line = lineOf(event);
    // A reader that has stopped reading does not get unlimited memory.
    if (line !== null && stream.writableLength < MAX_UNREAD) stream.write(`${line}\n`);
  };
}
