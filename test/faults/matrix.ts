// Shared parts of the fault matrix: devices and a database for each row, a run without faults for comparison,
// a coordinator to kill, and the table of results. The rows are in rows/, by the failing part.
import { spawn } from "node:child_process";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { buildAgent } from "../../runner/agent/build.ts";
import { hostTarget } from "../../runner/devices/toolchain.ts";
import type { AgentBinary } from "../../runner/devices/transport.ts";
import type { SweepEvent } from "../../runner/farm/events.ts";
import type { Store } from "../../runner/store/store.ts";
import type { FarmOptions } from "../../runner/sweep/staff.ts";
import { temporaryFolder } from "../support/built-cli.ts";
import {
  coordinatorProgram,
  type FarmSweep,
  type LoopbackDevice,
  left,
  QUICK,
  register,
  runFarm,
  scriptedAgent,
  startDevice,
} from "./farm.ts";

/** Rows run side by side, because most of their time is waiting. */
const LANES = 6;
export const TRIALS = 5;
/** The real agent sends a heartbeat every 5 s. */
export const REAL: FarmOptions = { session: { silenceMs: 12_000 } };

/** Devices and a database for one row. */
export interface Place {
  readonly a: LoopbackDevice;
  readonly b: LoopbackDevice;
  db: string;
}
type Calm = ReturnType<typeof left>;

interface RunOptions extends Partial<Omit<FarmSweep, "db">> {
  readonly listen?: (event: SweepEvent, store: Store) => void;
  readonly farm?: FarmOptions;
  readonly binary?: AgentBinary;
}
interface Coordinator {
  readonly child: ReturnType<typeof spawn>;
  readonly ended: Promise<{ code: number | null; said: string }>;
  readonly said: () => string;
}

export interface FaultMatrix {
  /** Defines a row: injects `fault` on devices of its own, and expects `required`. */
  row(fault: string, required: string, body: (place: Place) => Promise<void>): void;
  /** Runs a sweep on device a, in this process. */
  run(place: Place, options?: RunOptions): Promise<void>;
  /** Runs the same in a separate process. `through`: a command that starts it. */
  coordinate(
    place: Place,
    sweep: Partial<FarmSweep>,
    jumpsMs?: readonly number[],
    through?: readonly string[],
  ): Coordinator;
  /** Returns a listener that calls `act` once, when the nth job has begun. */
  atJob(n: number, act: (store: Store) => void): (event: SweepEvent, store: Store) => void;
  /** Returns the results of a run without faults on these devices. */
  calm(devices: "a" | "a,b"): Calm;
  calmPath(): string;
  expectCalm(place: Place, devices?: "a" | "a,b", name?: string): void;
  /** Probes both devices, as `device add` does. */
  probed(place: Place): Promise<void>;
  /** Returns the agent built from kernels/. */
  real(): Promise<AgentBinary>;
}

/**
 * Sets up the fault matrix. Call it within a `describe`: it prepares before the rows, and prints their table
 * after them.
 */
export function faultMatrix(): FaultMatrix {
  let folder: ReturnType<typeof temporaryFolder>;
  let agent: AgentBinary;
  let program: string;
  /** A run without faults, on one device and on two. */
  const calm = new Map<string, Calm>();
  let calmPath: string;
  const places: Place[] = [];
  const waiting: ((place: Place) => void)[] = [];
  const results: { fault: string; required: string; ok: boolean; seconds: number }[] = [];
  let databases = 0;

  beforeAll(async () => {
    folder = temporaryFolder();
    process.env.XDG_CONFIG_HOME = join(folder.path, "config");
    agent = await scriptedAgent();
    program = await coordinatorProgram();
    const place = await enter();
    for (const devices of [["a"], ["a", "b"]]) {
      await prepare(place);
      await run(place, { devices });
      calm.set(devices.join(), left(place.db));
      if (devices.length === 1) calmPath = place.db;
    }
    expect(calm.get("a,b")!.measurements).toHaveLength(2 * TRIALS);
    leave(place);
  });
  afterAll(async () => {
    const rows = results.map(({ fault, required, ok, seconds }) =>
      [ok ? "ok  " : "FAIL", `${seconds.toFixed(1)} s`.padStart(7), fault.padEnd(46), required].join("  "),
    );
    process.stdout.write(
      `\n${rows.join("\n")}\n${results.filter(({ ok }) => ok).length} of ${results.length} rows as required\n`,
    );
    for (const { a, b } of places) {
      await a.stop();
      await b.stop();
    }
    folder.remove();
  });

  let opening: Promise<unknown> = Promise.resolve();
  const free: Place[] = [];
  let made = 0;
  /**
   * Takes a place for a row. Up to LANES places are created, one after another, because logins are created in
   * turn.
   */
  async function enter(): Promise<Place> {
    const place = free.pop();
    if (place !== undefined) return place;
    if (made === LANES) return new Promise((resolve) => waiting.push(resolve));
    made++;
    const making = opening.then(async () => {
      const fresh: Place = { a: await startDevice(), b: await startDevice(), db: "" };
      places.push(fresh);
      return fresh;
    });
    opening = making;
    return making;
  }
  function leave(place: Place): void {
    const next = waiting.shift();
    if (next) next(place);
    else free.push(place);
  }
  let building: Promise<AgentBinary> | undefined;
  const real = (): Promise<AgentBinary> => {
    building ??= buildAgent({ target: hostTarget()!, kind: "agent" });
    return building;
  };

  async function prepare(place: Place): Promise<void> {
    await Promise.all([place.a.reset(), place.b.reset()]);
    place.db = join(folder.path, `row${++databases}.db`);
    register(place.db, [place.a.record("a"), place.b.record("b")]);
  }

  const run = (place: Place, { listen, farm, binary = agent, ...sweep }: RunOptions = {}): Promise<void> =>
    runFarm(
      { db: place.db, devices: ["a"], trials: TRIALS, ...sweep },
      { ...QUICK, agentFor: async () => binary, ...farm },
      listen,
    );
  const expectCalm = (place: Place, devices = "a", name = "faults"): void =>
    expect(left(place.db, name)).toEqual(calm.get(devices));

  const atJob = (n: number, act: (store: Store) => void) => {
    let seen = 0;
    return (event: SweepEvent, store: Store) => {
      if (event.kind === "job" && event.text.startsWith("measuring") && ++seen === n)
        setTimeout(act, 20, store);
    };
  };
  const coordinate: FaultMatrix["coordinate"] = (place, sweep, jumpsMs, through = []) => {
    const given = { sweep: { db: place.db, devices: ["a"], trials: TRIALS, ...sweep }, agent, jumpsMs };
    const [command, ...before] = [...through, process.execPath];
    const child = spawn(command!, [...before, program, JSON.stringify(given)], {
      stdio: ["ignore", "pipe", "pipe"],
    });
    let said = "";
    child.stdout.on("data", (text: Buffer) => {
      said += text;
    });
    child.stderr.on("data", (text: Buffer) => {
      said += text;
    });
    const ended = new Promise<{ code: number | null; said: string }>((resolve) =>
      child.on("close", (code) => resolve({ code, said })),
    );
    return { child, ended, said: () => said };
  };

  const row = (fault: string, required: string, body: (place: Place) => Promise<void>): void => {
    it.concurrent(`${fault}: ${required}`, async () => {
      const place = await enter();
      const start = performance.now();
      let ok = false;
      try {
        await prepare(place);
        await body(place);
        ok = true;
      } finally {
        results.push({ fault, required, ok, seconds: (performance.now() - start) / 1000 });
        leave(place);
      }
    });
  };

  return {
    row,
    run,
    coordinate,
    atJob,
    calm: (devices) => calm.get(devices)!,
    calmPath: () => calmPath,
    expectCalm,
    probed,
    real,
  };

  async function probed(place: Place): Promise<void> {
    for (const name of ["a", "b"]) await run(place, { name: `probe-${name}`, devices: [name], trials: 1 });
  }
}
