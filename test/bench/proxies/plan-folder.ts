// A folder of training runs for a machine without Node or this repository. It holds data, requests, the
// static agent, the PyTorch trainer and run-plan.py. That script trains the runs there and writes the lines
// that RunBook reads. Several parts may share a folder; a run already in it is not added again.
import { appendFileSync, copyFileSync, cpSync, existsSync, mkdirSync, readFileSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import type { TrainRequest } from "../../../profilers/requests.ts";
import { buildAgent } from "../../../runner/agent/build.ts";
import { hostTarget } from "../../../runner/devices/toolchain.ts";
import { type Planned, requestOf } from "./book.ts";

type Backend = "native" | "pytorch";
const RUNS = "plan.jsonl";

interface Line {
  readonly key: string;
  readonly backend: Backend;
  /** The run's request. Its data files are in the folder. */
  readonly request: TrainRequest;
}

export class PlanFolder {
  private readonly known = new Set<string>();

  constructor(
    private readonly path: string,
    private readonly backend: Backend,
  ) {
    mkdirSync(path, { recursive: true });
    const runs = join(path, RUNS);
    if (!existsSync(runs)) return;
    for (const line of readFileSync(runs, "utf8").split("\n").filter(Boolean))
      this.known.add((JSON.parse(line) as Line).key);
  }

  async add(planned: readonly Planned[]): Promise<void> {
    const target = hostTarget();
    if (target === undefined) throw new Error("a plan is written on Linux, for machines of the same kind");
    const agent = await buildAgent({ target, kind: "agent", portable: true });
    copyFileSync(agent.path, join(this.path, "edgefront-agent"));
    cpSync(resolve("profilers/pytorch"), join(this.path, "pytorch"), { recursive: true });
    copyFileSync(resolve("test/bench/proxies/run-plan.py"), join(this.path, "run-plan.py"));
    const fresh = planned.filter(({ key }) => !this.known.has(key));
    for (const one of fresh) {
      const request = requestOf(one);
      const { train, validation } = request.data;
      const data = { ...request.data, train: this.keep(train), validation: this.keep(validation) };
      const line: Line = { key: one.key, backend: this.backend, request: { ...request, data } };
      appendFileSync(join(this.path, RUNS), `${JSON.stringify(line)}\n`);
      this.known.add(one.key);
    }
    console.error(`${fresh.length} runs added, ${this.known.size} in ${this.path}`);
  }

  /** Copies a data file, whose name is a hash of its contents. */
  private keep(file: string): string {
    const name = basename(file);
    if (!existsSync(join(this.path, name))) copyFileSync(file, join(this.path, name));
    return name;
  }
}
