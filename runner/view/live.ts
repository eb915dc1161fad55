// The live view of a sweep on a terminal: finished trials scroll by, a small block below shows what runs now.
import { createLogUpdate } from "log-update";
import type { SweepEvent } from "../sweep/events.ts";
import { lineOf } from "./lines.ts";

const BAR_WIDTH = 24;
const REDRAW_MS = 200;

const clip = (text: string, width: number): string =>
  text.length > width ? `${text.slice(0, width - 3)}...` : text;

function duration(ms: number): string {
  const seconds = Math.round(ms / 1000);
  return seconds < 60 ? `${seconds} s` : `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
}

export class LiveView {
  private readonly update: ReturnType<typeof createLogUpdate>;
  private readonly startedAt = performance.now();
  private readonly running = new Map<number, string>();
  private readonly timer: NodeJS.Timeout;
  private note = "";
  private total = 0;
  private finished = 0;
  private finishedHere = 0;
  private front = 0;

  constructor(private readonly stream: NodeJS.WriteStream) {
    this.update = createLogUpdate(stream);
    this.timer = setInterval(() => this.draw(), REDRAW_MS);
    this.timer.unref();
  }

  show(event: SweepEvent): void {
    const line = lineOf(event);
    if (line !== null) {
      this.update.clear();
      this.stream.write(`${clip(line, this.width)}\n`);
    }
    this.take(event);
    this.draw();
  }

  close(): void {
    clearInterval(this.timer);
    this.update.clear();
    this.update.done();
  }

  private get width(): number {
    return Math.max(20, this.stream.columns || 80);
  }

  private take(event: SweepEvent): void {
    switch (event.kind) {
      case "started":
        this.total = event.trials;
        this.finished = event.finished;
        break;
      case "build":
        this.note =
          event.done < event.total
            ? `building the kernels for ${event.target}: ${event.done}/${event.total}`
            : "";
        break;
      case "waiting":
        this.note = event.text;
        break;
      case "job":
        this.note = "";
        this.running.set(event.trial.number, event.text);
        break;
      case "trial":
        this.running.delete(event.trial.number);
        this.finished++;
        this.finishedHere++;
        break;
      case "front":
        this.front = event.size;
        break;
      default:
    }
  }

  private draw(): void {
    const elapsed = performance.now() - this.startedAt;
    const share = this.total === 0 ? 0 : this.finished / this.total;
    const filled = Math.round(share * BAR_WIDTH);
    const bar = "#".repeat(filled) + "-".repeat(BAR_WIDTH - filled);
    const left =
      this.finishedHere === 0
        ? ""
        : `, about ${duration((elapsed / this.finishedHere) * (this.total - this.finished))} left`;
    const lines = [
      `[${bar}] ${this.finished}/${this.total} trials, ${this.front} on the front, ${duration(elapsed)}${left}`,
      ...(this.note === "" ? [] : [`  ${this.note}`]),
      ...[...this.running].map(([number, text]) => `  trial ${number}: ${text}`),
    ];
    this.update(lines.map((line) => clip(line, this.width - 1)).join("\n"));
  }
}
