// bench:search: compares our strategies with Optuna's and pymoo's on the same problems, sequentially, over
// several seeds. Prints a table, or rows with --json. Peers run in a Python environment with
// test/peers/requirements.txt installed.
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { cpus } from "node:os";
import { createInterface } from "node:readline";
import { hypervolume } from "../../search/hypervolume.ts";
import { ParetoArchive } from "../../search/pareto.ts";
import { createRng } from "../../search/rng.ts";
import { type StrategyEntry, strategies } from "../../search/strategy-registry.ts";
import { optionsOf, wholeOf } from "../support/parse-args.ts";
import { type Problem, problems } from "./search-problems.ts";

const flags = optionsOf(
  `bench:search [--seeds 20] [--evaluations 100] [--ours model,nsga2] [--peers optuna-tpe,optuna-gp]
  [--problems ZDT,hybrid] [--python test/peers/.venv/bin/python] [--json]`,
  {
    seeds: { type: "string", default: "20" },
    evaluations: { type: "string", default: "100" },
    ours: { type: "string", default: "model,nsga2,evolution,random" },
    peers: { type: "string", default: "optuna-nsga2,optuna-tpe,pymoo-nsga2" },
    problems: { type: "string", default: "" },
    python: { type: "string", default: "test/peers/.venv/bin/python" },
    json: { type: "boolean", default: false },
  },
);
const seeds = Array.from({ length: wholeOf("seeds", flags.seeds) }, (_, n) => n + 1);
const evaluations = wholeOf("evaluations", flags.evaluations);
const TARGET = 0.95;

/** Outcomes are reported one by one, as to the peers. All other options are defaults. */
const sequential: Readonly<Record<string, Record<string, unknown>>> = {
  model: { batch: 1 },
  evolution: { batch: 1 },
};

/** Share of the best hypervolume after each evaluation. */
type Curve = readonly number[];

/**
 * Records the curve of a search. A repeated candidate costs nothing, because a user would keep the result.
 */
class Recorder<C> {
  readonly curve: number[] = [];
  private readonly archive = new ParetoArchive<null>();
  private readonly known = new Map<string, readonly number[]>();
  private readonly problem: Problem<C>;

  constructor(problem: Problem<C>) {
    this.problem = problem;
  }

  evaluate(candidate: C): readonly number[] {
    const { problem } = this;
    const id = problem.domain.id(candidate);
    const before = this.known.get(id);
    if (before !== undefined) return before;
    const values = problem.evaluate(candidate);
    this.known.set(id, values);
    const joined = this.archive.insert(values, null);
    const front = this.archive.entries.map(({ vector }) => vector);
    this.curve.push(joined ? hypervolume(front, problem.reference) / problem.best : (this.curve.at(-1) ?? 0));
    return values;
  }
}

function runOurs<C>(name: string, problem: Problem<C>, seed: number): Curve {
  const objectives = problem.reference.map((_, m) => ({
    name: `f${m}`,
    direction: "min" as const,
    unit: "",
  }));
  const entry: StrategyEntry = strategies[name as keyof typeof strategies];
  const strategy = entry.create({
    domain: problem.domain,
    objectives,
    seed,
    options: sequential[name] ?? {},
    initial: [],
  });
  const recorder = new Recorder(problem);
  while (recorder.curve.length < evaluations) {
    const asked = strategy.ask(evaluations - recorder.curve.length);
    if (asked.length === 0) break;
    strategy.tell(
      asked.map(({ candidate: layout }) => {
        const y = recorder.evaluate(layout);
        const metrics = Object.fromEntries(y.map((value, m) => [`f${m}`, value]));
        return { id: problem.domain.id(layout), layout, state: "complete" as const, metrics };
      }),
    );
  }
  return recorder.curve;
}

/** One Python process for all runs, because importing the peers takes longer than many runs. */
class Peers {
  private readonly child: ChildProcess;
  private readonly lines: AsyncIterator<string>;

  constructor(python: string) {
    this.child = spawn(python, ["test/peers/search.py"], { stdio: ["pipe", "pipe", "inherit"] });
    this.lines = createInterface({ input: this.child.stdout! })[Symbol.asyncIterator]();
  }

  private send(message: unknown): void {
    this.child.stdin!.write(`${JSON.stringify(message)}\n`);
  }

  /** Requests twice the evaluations, so that those spent on duplicates can be replaced. */
  async run<C>(peer: string, problem: Problem<C>, seed: number): Promise<Curve> {
    const { variables, objectives } = problem;
    this.send({
      peer,
      seed,
      objectives,
      variables,
      evaluations: problem.kind === "layouts" ? 2 * evaluations : evaluations,
    });
    const recorder = new Recorder(problem);
    for (;;) {
      const step = await this.lines.next();
      if (step.done) throw new Error(`${peer} ended early; see its message above`);
      const message = JSON.parse(step.value) as { x?: number[]; done?: boolean };
      if (message.done) return recorder.curve.slice(0, evaluations);
      const candidate = problem.decode(message.x!);
      this.send({ y: candidate === null ? problem.reference : recorder.evaluate(candidate) });
    }
  }

  close(): void {
    this.child.stdin!.end();
  }
}

const median = (values: readonly number[]): number => {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
};
/** Number of evaluations until the target; one more than the total where it was not reached. */
const reached = (curve: Curve): number => {
  const index = curve.findIndex((share) => share >= TARGET);
  return index < 0 ? evaluations + 1 : index + 1;
};
const last = (curve: Curve): number => curve.at(-1) ?? 0;

/** Ratio of medians with its 95% bootstrap interval over seeds. */
function ratioOf(
  ours: readonly number[],
  peer: readonly number[],
): { ratio: number; low: number; high: number } {
  const rng = createRng(1);
  const resample = (values: readonly number[]): number =>
    median(values.map(() => values[rng.below(values.length)]!));
  const ratios = Array.from({ length: 2000 }, () => resample(ours) / resample(peer)).sort((a, b) => a - b);
  return { ratio: median(ours) / median(peer), low: ratios[50]!, high: ratios[1949]! };
}

const wanted = flags.problems.split(",").filter(Boolean);
const chosen = problems.filter(
  ({ name }) => wanted.length === 0 || wanted.some((part) => name.includes(part)),
);
const peerNames = flags.peers.split(",").filter(Boolean);
const ourNames = flags.ours.split(",").filter(Boolean);
if (peerNames.length > 0 && !existsSync(flags.python)) {
  console.error(
    `${flags.python} does not exist; python3 -m venv test/peers/.venv && test/peers/.venv/bin/pip install -r test/peers/requirements.txt`,
  );
  process.exit(2);
}
const peers = peerNames.length > 0 ? new Peers(flags.python) : null;
const rows: unknown[] = [];
const say = (text: string): void => void (flags.json ? process.stderr : process.stdout).write(`${text}\n`);
say(
  `${seeds.length} seeds, ${evaluations} evaluations; "to 95%": median evaluations to ${TARGET * 100}% of the best hypervolume`,
);

for (const problem of chosen) {
  say(`\n${problem.name}`);
  const curves = new Map<string, Curve[]>();
  for (const name of [...ourNames, ...peerNames]) {
    const started = performance.now();
    const runs: Curve[] = [];
    for (const seed of seeds)
      runs.push(
        ourNames.includes(name) ? runOurs(name, problem, seed) : await peers!.run(name, problem, seed),
      );
    curves.set(name, runs);
    const to = median(runs.map(reached));
    const seconds = (performance.now() - started) / 1000 / seeds.length;
    say(
      `  ${name.padEnd(14)} hypervolume ${(100 * median(runs.map(last))).toFixed(1).padStart(5)}%   to 95% ` +
        `${to > evaluations ? `>${evaluations}` : String(to)}`.padStart(5) +
        `   ${seconds.toFixed(1)} s a run`,
    );
  }
  const ours = curves.get(ourNames[0]!)!;
  const measures = [
    { label: "evaluations to 95%", unit: "evaluations", of: reached, better: Math.min },
    { label: "hypervolume", unit: "share of best", of: last, better: Math.max },
  ];
  for (const { label, unit, of, better } of peerNames.length > 0 ? measures : []) {
    const medians = peerNames.map((name) => median(curves.get(name)!.map(of)));
    const best = peerNames[medians.indexOf(better(...medians))]!;
    const peer = curves.get(best)!.map(of);
    const mine = ours.map(of);
    const { ratio, low, high } = ratioOf(mine, peer);
    rows.push({
      name: `${problem.name}: ${label}, ${ourNames[0]} / ${best}`,
      ours: median(mine),
      peer: median(peer),
      ratio,
      low,
      high,
      unit,
    });
    say(`  ${label}: ${ourNames[0]} / ${best} = ${ratio.toFixed(2)} [${low.toFixed(2)}, ${high.toFixed(2)}]`);
  }
}
peers?.close();
if (flags.json)
  console.log(JSON.stringify({ machine: `${cpus()[0]?.model ?? "unknown"}, ${cpus().length} cores`, rows }));
