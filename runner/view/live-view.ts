// The live view of a sweep on a terminal: finished trials scroll by, and a small block below shows progress
// and the work of every device and trainer. block.ts makes the lines; this file keeps them in place, also
// when the window changes its size.
import { createLogUpdate } from "log-update";
import { wrapText } from "../../reports/terminal.ts";
import type { SweepEvent } from "../farm/events.ts";
import { Block } from "./block.ts";
import { lineOf } from "./event-lines.ts";

const REDRAW_MS = 200;

export class LiveView {
  private readonly update: ReturnType<typeof createLogUpdate>;
  private readonly block = new Block();
  private readonly startedAt = performance.now();
  private readonly timer: NodeJS.Timeout;
  private drawn: readonly string[] = [];

  constructor(private readonly stream: NodeJS.WriteStream) {
    this.update = createLogUpdate(stream);
    this.timer = setInterval(() => this.draw(), REDRAW_MS);
    this.timer.unref();
    stream.on("resize", this.resized);
  }

  show(event: SweepEvent): void {
    const line = lineOf(event);
    if (line !== null) {
      this.update.clear();
      this.stream.write(`${wrapText(line, this.width)}\n`);
      this.drawn = [];
    }
    this.block.take(event, performance.now() - this.startedAt);
    this.draw();
  }

  close(): void {
    clearInterval(this.timer);
    this.stream.off("resize", this.resized);
    this.update.clear();
    this.update.done();
  }

  private get width(): number {
    return Math.max(20, this.stream.columns || 80);
  }

  /** Erases the additional rows into which a narrower window has broken the block's lines. */
  private readonly resized = (): void => {
    const rows = this.drawn.reduce((sum, line) => sum + Math.max(1, Math.ceil(line.length / this.width)), 0);
    this.stream.write("\u001b[2K\u001b[1A".repeat(rows - this.drawn.length));
    this.draw();
  };

  private draw(): void {
    this.drawn = this.block.lines(this.width - 1, performance.now() - this.startedAt);
    this.update(this.drawn.join("\n"));
  }
}
