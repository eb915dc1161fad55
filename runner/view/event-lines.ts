// Turns events of a sweep into lines of text.

import { formatPattern } from "../../candidates/notation.ts";
import { counted } from "../../candidates/words.ts";
import type { SweepEvent } from "../farm/events.ts";

/** Returns the line of an event; null for events that only the live view shows. */
export function lineOf(event: SweepEvent): string | null {
  switch (event.kind) {
    case "started":
      return event.finished === 0
        ? `sweep ${event.name}: up to ${counted(event.trials, "trial")}`
        : `sweep ${event.name}: resumed with ${event.finished} of ${counted(event.trials, "trial")} finished`;
    case "build":
      return event.done === event.total ? `built the kernels for ${event.target}` : null;
    case "device":
      return `device ${event.name}${event.emulated ? " (EMULATED)" : ""}: ${event.text}`;
    case "device-state":
      return `device ${event.name} ${event.text}`;
    case "waiting":
      return event.text;
    case "notice":
      return `notice: ${event.text}`;
    case "proposed": {
      const { count, repetitions, batch } = event;
      const again = counted(repetitions, "repetition");
      if (count === 0) return `${again} of layouts that may be on the front (batch ${batch})`;
      return `proposed ${counted(count, "layout")} (batch ${batch})${repetitions === 0 ? "" : `, and ${again}`}`;
    }
    case "retry":
      return `trial ${event.trial.number}: ${event.text}`;
    case "repeated":
      return `trial ${event.trial.number}${event.onFront ? " (front)" : ""}  repeated: ${event.text}`;
    case "trial": {
      const { number, layout, state, reason } = event.trial;
      const outcome = state === "complete" ? event.values.join(", ") : `${state}: ${reason}`;
      return `trial ${number}${event.onFront ? " (front)" : ""}  ${formatPattern(layout)}  ${outcome}`;
    }
    default:
      return null;
  }
}
