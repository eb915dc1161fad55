// Shows a running sweep: a live block on a terminal, plain lines otherwise. Both come from the sweep's
// events.
import type { Listener } from "../farm/events.ts";
import { LiveView } from "./live-view.ts";
import { plainListener } from "./plain.ts";

export interface View {
  readonly listen: Listener;
  /** Ends the live block; its last state stays on the terminal. */
  close(): void;
}

/** Opens the view on stderr, so that stdout stays data. */
export function openView(stream: NodeJS.WriteStream = process.stderr): View {
  if (!stream.isTTY || process.env.TERM === "dumb") return { listen: plainListener(stream), close: () => {} };
  const live = new LiveView(stream);
  return { listen: (event) => live.show(event), close: () => live.close() };
}
