// Plain lines for pipes and logs: no control characters, one line an event worth keeping.
import type { Writable } from "node:stream";
import type { Listener } from "../farm/events.ts";
import { lineOf } from "./event-lines.ts";

const MAX_UNREAD = 1 << 20;

export function plainListener(stream: Writable): Listener {
  return (event) => {
    const line = lineOf(event);
    // Whoever has stopped reading does not have everything kept for it.
    if (line !== null && stream.writableLength < MAX_UNREAD) stream.write(`${line}\n`);
  };
}
