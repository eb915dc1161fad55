// Plain lines for pipes and logs: no control characters, one line an event worth keeping.
import type { Writable } from "node:stream";
import type { Listener } from "../sweep/events.ts";
import { lineOf } from "./lines.ts";

export function plainListener(stream: Writable): Listener {
  return (event) => {
    const line = lineOf(event);
    if (line !== null) stream.write(`${line}\n`);
  };
}
