// Behaviour of a scripted agent: the file `script.json` in its home.

/** Ways in which a job can fail. All other jobs succeed. */
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

/** Content of `script.json` in the agent's home. */
export interface AgentScript {
  /** By number of the measurement, counted from 1 over all agents of this device. */
  readonly jobs?: Readonly<Record<number, Misbehaviour>>;
  /** Applies to every job of a model with this number of parameters. */
  readonly parameters?: Readonly<Record<number, Misbehaviour>>;
  readonly jobMs?: number;
  /** Factor on the time of each measurement, by its number from 1. Default: 1. */
  readonly slowdowns?: Readonly<Record<number, number>>;
  /**
   * Deviation of a measurement's samples, and of different seeds' losses, from the model's value; relative.
   */
  readonly noise?: number;
  /** Sensor values, one per request. The last one repeats. */
  readonly temperatures?: readonly number[];
  /** Free memory, one value per request. The last one repeats. */
  readonly availableBytes?: readonly number[];
  readonly bootId?: string;
  readonly cpuModel?: string;
  /** Other fields of its answers to a probe. */
  readonly probe?: Readonly<Record<string, unknown>>;
  /** The same per probe. The last one repeats. */
  readonly probes?: readonly Readonly<Record<string, unknown>>[];
  /** Other fields of a measurement, by its number from 1. */
  readonly results?: Readonly<Record<number, Readonly<Record<string, unknown>>>>;
  /** Message when a job fails. */
  readonly message?: string;
  /** The only kinds of job it knows. A trainer knows fewer than an agent. */
  readonly only?: readonly string[];
}
