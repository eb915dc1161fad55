// The line each event of a sweep becomes; null for events that only a live view shows.
import { formatPattern } from "../../candidates/notation.ts";
import type { SweepEvent } from "../sweep/events.ts";

export function lineOf(event: SweepEvent): string | null {
  switch (event.kind) {
    case "started":
      return event.finished === 0
        ? `sweep ${event.name}: up to ${event.trials} trials`
        : `sweep ${event.name}: resumed with ${event.finished} of ${event.trials} trials finished`;
    case "build":
      return event.done === event.total ? `built the kernels for ${event.target}` : null;
    case "device":
      return `device ${event.name}${event.emulated ? " (EMULATED)" : ""}: ${event.text}`;
    case "device-state":
      return `device ${event.name} ${event.text}`;
    case "waiting":
      return event.text;
    case "proposed": {
      const { count, repetitions, batch } = event;
      const again = repetitions === 1 ? "1 repetition" : `${repetitions} repetitions`;
      if (count === 0) return `${again} where the front is in doubt (batch ${batch})`;
      return `proposed ${count} layouts (batch ${batch})${repetitions === 0 ? "" : `, and ${again}`}`;
    }
    case "retry":
      return `trial ${event.trial.number}: ${event.text}`;
    case "repeated":
      return `trial ${event.trial.number}${event.onFront ? " *" : ""}  again: ${event.text}`;
    case "trial": {
      const { number, layout, state, reason } = event.trial;
      const outcome = state === "complete" ? event.values.join(", ") : `${state}: ${reason}`;
      return `trial ${number}${event.onFront ? " *" : ""}  ${formatPattern(layout)}  ${outcome}`;
    }
    default:
      return null;
  }
}
