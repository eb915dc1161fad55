// The live view on a real terminal emulator: its content, and its place when the window narrows and widens.
import { EventEmitter } from "node:events";
import xterm from "@xterm/headless";
import { afterEach, beforeEach, expect, it } from "vitest";
import { parseNotation } from "../../candidates/notation.ts";
import type { SweepEvent } from "../../runner/farm/events.ts";
import type { Trial } from "../../runner/store/trial-row.ts";
import { Block, duration } from "../../runner/view/block.ts";
import { LiveView } from "../../runner/view/live-view.ts";

const trialOf = (number: number): Trial => ({
  id: number + 1,
  number,
  batch: 0,
  candidateId: `l1-${number}`,
  layout: parseNotation("v256 d64 f128 h4/2x16 : c3 c3 g c3"),
  notation: "",
  parameters: 1000,
  state: "complete",
  cause: null,
  reason: null,
  violation: null,
  overBudget: null,
  finishedAt: null,
  origin: null,
});
const ended = (number: number): SweepEvent => ({
  kind: "trial",
  trial: trialOf(number),
  onFront: true,
  values: ["1.00 ms", "0.900"],
});
const job = (number: number, lane: string | null, text: string): SweepEvent => ({
  kind: "job",
  trial: trialOf(number),
  lane,
  text,
});
const beginning: readonly SweepEvent[] = [
  { kind: "started", name: "s", trials: 20, finished: 0 },
  { kind: "device", name: "phone", text: "aarch64", emulated: false },
  { kind: "device", name: "local", text: "x86_64", emulated: false },
  job(0, "phone", "measuring on phone"),
  job(1, "training", "training recall, seed 1, step 30 of 600"),
  { kind: "front", size: 3, hypervolume: 12.345 },
];

/** A terminal as the view's stream: written text is displayed, and a resize is reported as by a terminal. */
class Screen extends EventEmitter {
  readonly terminal: xterm.Terminal;
  readonly isTTY = true;
  constructor(
    public columns: number,
    public rows: number,
  ) {
    super();
    this.terminal = new xterm.Terminal({ cols: columns, rows, allowProposedApi: true, convertEol: true });
  }
  write(text: string): boolean {
    this.terminal.write(text);
    return true;
  }
  /** Lines on the screen and above it, without empty ones at the end. */
  async text(): Promise<string[]> {
    await new Promise<void>((resolve) => this.terminal.write("", resolve));
    const { active } = this.terminal.buffer;
    const lines: string[] = [];
    for (let y = 0; y < active.length; y++) {
      const line = active.getLine(y)!;
      const text = line.translateToString(true);
      if (line.isWrapped) lines[lines.length - 1] += text;
      else lines.push(text);
    }
    while (lines.at(-1) === "") lines.pop();
    return lines;
  }
  async resize(columns: number): Promise<void> {
    await this.text();
    this.terminal.resize(columns, this.rows);
    this.columns = columns;
    this.emit("resize");
  }
}

let screen: Screen;
let view: LiveView;
beforeEach(() => {
  screen = new Screen(100, 40);
  view = new LiveView(screen as unknown as NodeJS.WriteStream);
  for (const event of beginning) view.show(event);
});
afterEach(() => view.close());

it("shows devices, training, front, hypervolume and the time left", async () => {
  const lines = await screen.text();
  const block = lines.join("\n");
  expect(block).toMatch(/\[-{24}\] 0\/20 trials, 3 on the front, hypervolume 12\.3/);
  expect(block).toMatch(/^ {2}phone {5}trial 0: measuring on phone$/m);
  expect(block).toMatch(/^ {2}local {5}idle$/m);
  expect(block).toMatch(/^ {2}training {2}trial 1: training recall, seed 1, step 30 of 600$/m);
  view.show(job(0, null, "measured on phone, waiting"));
  view.show(ended(1));
  const later = (await screen.text()).join("\n");
  expect(later).toMatch(/^trial 1 \(front\) {2}c3 c3 g c3 {2}1\.00 ms, 0\.900$/m);
  expect(later).toMatch(/^ {2}phone {5}idle$/m);
  expect(later).toMatch(/^ {2}training {2}idle$/m);
  expect(later).toMatch(/1\/20 trials.* left$/m);
});

it("stays one block, in place, through narrowing to 40 columns and widening again", async () => {
  for (const [n, columns] of [80, 40, 25, 40, 120, 60, 100].entries()) {
    view.show(ended(n));
    await screen.resize(columns);
    view.show(job(n + 1, "phone", "measuring on phone"));
    const lines = await screen.text();
    // One block: each of its lines is on the screen once. Finished trials are all above it, each once.
    expect(lines.filter((line) => line.startsWith("["))).toHaveLength(1);
    for (const lane of ["phone", "local", "training"])
      expect(lines.filter((line) => line.startsWith(`  ${lane} `))).toHaveLength(1);
    const bar = lines.findIndex((line) => line.startsWith("["));
    const trials = lines.flatMap((line, at) => (/^trial \d+ \(front\)/.test(line) ? [at] : []));
    expect(trials).toHaveLength(n + 1);
    expect(Math.max(...trials)).toBeLessThan(bar);
  }
});

it.each([19, 40, 80, 120])("no line is longer than %i columns", (width) => {
  const block = new Block();
  for (const event of [...beginning, ended(0), ended(1)]) block.take(event, 90_000);
  block.take({ kind: "waiting", text: "another edgefront process is using phone; waiting for it" }, 90_000);
  for (const line of block.lines(width, 100_000)) expect(line.length).toBeLessThanOrEqual(width);
});

it("the time left follows the latest pace", () => {
  const block = new Block();
  block.take({ kind: "started", name: "s", trials: 60, finished: 0 }, 0);
  // Ten slow trials, then twenty of a second each. 30 trials remain, at a second each.
  for (let n = 0; n < 10; n++) block.take(ended(n), 60_000 * (n + 1));
  for (let n = 0; n < 20; n++) block.take(ended(n), 600_000 + 1000 * (n + 1));
  expect(block.lines(120, 620_000).join("\n")).toContain("about 30 s left");
  // The next trial hangs: the remaining time grows and does not reach zero.
  expect(block.lines(120, 620_000 + 600_000).join("\n")).toMatch(/about 2\d min \d+ s left/);
  expect(duration(59_400)).toBe("59 s");
  expect(duration(3_700_000)).toBe("1 h 1 min");
});

it("counts nothing before the sweep has begun, and counts one trial as one", () => {
  const block = new Block();
  expect(block.lines(80, 3000)).toEqual(["starting, 3 s"]);
  block.take({ kind: "device", name: "local", text: "", emulated: false }, 0);
  expect(block.lines(80, 4000).join()).not.toContain("0/0");
  block.take({ kind: "started", name: "s", trials: 1, finished: 0 }, 0);
  expect(block.lines(80, 5000)[0]).toMatch(/0\/1 trial,/);
});
