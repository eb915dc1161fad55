// The lines of the live block: progress, front, and one line for each device and for training. Pure: takes
// events and times, returns lines within a width.
import { counted } from "../../candidates/words.ts";
import { formatNumber } from "../../reports/format.ts";
import type { SweepEvent } from "../farm/events.ts";
import type { DeviceHealth } from "../store/health-table.ts";

const MAX_BAR = 24;
const NARROWEST = 19;
/** Longest name of a lane. */
const MAX_NAME = 20;
/** Number of latest trials from which the remaining time is estimated. */
const RECENT = 12;

/** Returns a duration in words, such as `3 min 20 s`. */
export function duration(ms: number): string {
  const seconds = Math.round(ms / 1000);
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  return minutes < 60
    ? `${minutes} min ${seconds % 60} s`
    : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** Returns the parts on as few lines as possible; a part that is too long is cut. */
function flow(parts: readonly string[], width: number): string[] {
  const lines: string[] = [];
  for (const part of parts) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + 2 + part.length <= width)
      lines[lines.length - 1] = `${last}, ${part}`;
    else lines.push(part);
  }
  return lines.map((line) => (line.length > width ? `${line.slice(0, width - 3)}...` : line));
}

function healthText({ state, reason, queued, temperatureC, lastFault }: DeviceHealth): string {
  return [
    ...(state === "ready" || state === "busy" ? [] : [`${state}: ${reason}`]),
    ...(queued > 0 ? [`${queued} waiting`] : []),
    ...(temperatureC === null ? [] : [`${temperatureC.toFixed(0)} °C`]),
    ...(lastFault === null ? [] : [`last fault ${lastFault.cause} ${lastFault.at.slice(11, 16)} UTC`]),
  ].join(", ");
}

export class Block {
  /** The current work of each device and of "training"; null while idle. */
  private readonly lanes = new Map<string, string | null>();
  /** For each device: its state unless ready or busy, its queue, temperature and last fault. */
  private readonly health = new Map<string, string>();
  private readonly laneOf = new Map<number, string>();
  private note = "";
  private total = 0;
  private finished = 0;
  private readonly endedAt: number[] = [];
  private front = 0;
  private hypervolume: number | null = null;

  /** Updates the block by an event; `atMs` is the time since the view began. */
  take(event: SweepEvent, atMs: number): void {
    switch (event.kind) {
      case "started":
        this.total = event.trials;
        this.finished = event.finished;
        break;
      case "device":
        if (!this.lanes.has(event.name)) this.lanes.set(event.name, null);
        break;
      case "build":
        this.note =
          event.done < event.total
            ? `building the kernels for ${event.target}: ${event.done}/${event.total}`
            : "";
        break;
      case "devices":
        for (const health of event.health) this.health.set(health.device, healthText(health));
        break;
      case "waiting":
        this.note = event.text;
        break;
      case "job":
        this.note = "";
        this.leave(event.trial.number);
        if (event.lane === null) break;
        this.lanes.set(event.lane, `trial ${event.trial.number}: ${event.text}`);
        this.laneOf.set(event.trial.number, event.lane);
        break;
      case "repeated":
        this.leave(event.trial.number);
        break;
      case "trial":
        this.leave(event.trial.number);
        // A screened layout took no device and is not one of the planned trials.
        if (event.trial.state === "screened") break;
        this.finished++;
        this.endedAt.push(atMs);
        if (this.endedAt.length > RECENT + 1) this.endedAt.shift();
        break;
      case "front":
        this.front = event.size;
        this.hypervolume = event.hypervolume;
        break;
      default:
    }
  }

  /** Marks the lane of a trial as idle, unless another trial has taken it since. */
  private leave(trial: number): void {
    const lane = this.laneOf.get(trial);
    this.laneOf.delete(trial);
    if (lane !== undefined && this.lanes.get(lane)?.startsWith(`trial ${trial}:`)) this.lanes.set(lane, null);
  }

  /**
   * Estimates the remaining time from the latest trials, or from the present one if it takes longer; null
   * before the first trial ends.
   */
  private leftMs(atMs: number): number | null {
    if (this.endedAt.length === 0) return null;
    const many = this.endedAt.length > RECENT;
    const [from, ended] = many ? [this.endedAt[0]!, RECENT] : [0, this.endedAt.length];
    const last = this.endedAt.at(-1)!;
    const pace = Math.max((last - from) / ended, (atMs - from) / (ended + 1));
    return Math.max(0, pace * (this.total - this.finished) - Math.min(pace, atMs - last));
  }

  lines(width: number, atMs: number): readonly string[] {
    const room = Math.max(NARROWEST, width);
    const share = this.total === 0 ? 0 : this.finished / this.total;
    const size = Math.min(MAX_BAR, Math.floor(room / 3));
    const filled = Math.round(share * size);
    const left = this.leftMs(atMs);
    const begun = this.total > 0;
    const state = [
      // Nothing can be counted before the sweep begins or is read from the database.
      ...(begun
        ? [
            `[${"#".repeat(filled)}${"-".repeat(size - filled)}] ${this.finished}/${counted(this.total, "trial")}`,
            `${this.front} on the front`,
          ]
        : ["starting"]),
      ...(this.hypervolume === null ? [] : [`hypervolume ${formatNumber(this.hypervolume)}`]),
      duration(atMs),
      ...(left === null ? [] : [`about ${duration(left)} left`]),
    ];
    const names = Math.max(0, ...[...this.lanes.keys()].map((name) => Math.min(name.length, MAX_NAME)));
    const lanes = [...this.lanes].map(
      ([name, text]) =>
        `  ${[`${name.slice(0, MAX_NAME).padEnd(names)}  ${text ?? "idle"}`, this.health.get(name)].filter(Boolean).join("; ")}`,
    );
    return [
      ...flow(state, room),
      ...(this.note === "" ? [] : flow([`  ${this.note}`], room)),
      ...lanes.flatMap((lane) => flow([lane], room)),
    ];
  }
}
