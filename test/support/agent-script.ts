// What a scripted agent does: the file `script.json` in its home.

/** How a job goes wrong; the rest of the jobs go right. */
export const MISBEHAVIOURS = [
  "garbage",
  "truncated",
  "oversized",
  "flood",
  "bytes",
  "heartbeats",
  "hang",
  "exit",
  "kill",
  "crash",
  "out-of-memory",
  "wrong-output",
  "disk-error",
  "unavailable",
  "late",
  "refuse",
] as const;
export type Misbehaviour = (typeof MISBEHAVIOURS)[number];

/** `script.json` in the agent's home. */
export interface AgentScript {
  /** By the number of the measurement this device is asked for, from 1, over all its agents. */
  readonly jobs?: Readonly<Record<number, Misbehaviour>>;
  /** Every job of a model of so many parameters. */
  readonly parameters?: Readonly<Record<number, Misbehaviour>>;
  readonly jobMs?: number;
  /** How much slower each measurement is, by its number from 1; 1 where none is given. */
  readonly slowdowns?: Readonly<Record<number, number>>;
  /** How far samples of a measurement, and losses of different seeds, lie from what the model alone would give; a share of it. */
  readonly noise?: number;
  /** What the sensor says each time it is asked; the last one from then on. */
  readonly temperatures?: readonly number[];
  /** Free memory each time it is asked; the last one from then on. */
  readonly availableBytes?: readonly number[];
  readonly bootId?: string;
  readonly cpuModel?: string;
  /** Anything else it says of itself when it is probed. */
  readonly probe?: Readonly<Record<string, unknown>>;
  /** The same each time it is probed; the last one from then on. */
  readonly probes?: readonly Readonly<Record<string, unknown>>[];
  /** Anything else it says of a measurement, by its number from 1. */
  readonly results?: Readonly<Record<number, Readonly<Record<string, unknown>>>>;
  /** What it says when a job goes wrong. */
  readonly message?: string;
  /** The only kinds of job it knows: a trainer knows fewer than an agent. */
  readonly only?: readonly string[];
}
