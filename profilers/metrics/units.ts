// Units of metrics: the scales on which they are shown, and the suffixes in which bounds are written. A unit
// missing here is shown by its name and takes plain numbers.

/** A scale on which a unit can be shown. */
export interface Scale {
  /** Smallest value shown on this scale. */
  readonly from: number;
  readonly divisor: number;
  readonly unit: string;
}

interface Unit {
  /** Largest first. */
  readonly scales?: readonly Scale[];
  /** Value of each suffix in the unit: `300MB` is 300 * 1e6 bytes. */
  readonly suffixes?: Readonly<Record<string, number>>;
  /** The unit's name is not appended to shown values. */
  readonly isSilent?: true;
  /** Values are whole numbers. */
  readonly isCount?: true;
  /** Values lie between 0 and 1. */
  readonly isShare?: true;
}

const bytes: Unit = {
  scales: [
    { from: 1e9, divisor: 1e9, unit: "GB" },
    { from: 1e6, divisor: 1e6, unit: "MB" },
    { from: 1e3, divisor: 1e3, unit: "kB" },
    { from: 0, divisor: 1, unit: "B" },
  ],
  suffixes: { B: 1, KB: 1e3, MB: 1e6, GB: 1e9, KiB: 2 ** 10, MiB: 2 ** 20, GiB: 2 ** 30 },
};

const units: Readonly<Record<string, Unit>> = {
  bytes,
  B: bytes,
  byte: bytes,
  ms: {
    scales: [
      { from: 600_000, divisor: 60_000, unit: "min" },
      { from: 10_000, divisor: 1000, unit: "s" },
      { from: 0, divisor: 1, unit: "ms" },
    ],
    suffixes: { ms: 1, s: 1000 },
  },
  s: {
    scales: [
      { from: 600, divisor: 60, unit: "min" },
      { from: 0, divisor: 1, unit: "s" },
    ],
  },
  parameters: {
    scales: [
      { from: 1e9, divisor: 1e9, unit: "B" },
      { from: 1e6, divisor: 1e6, unit: "M" },
      { from: 1e4, divisor: 1e3, unit: "K" },
      { from: 0, divisor: 1, unit: "" },
    ],
    suffixes: { K: 1e3, M: 1e6, B: 1e9 },
  },
  FLOP: {
    scales: [
      { from: 1e12, divisor: 1e12, unit: "TFLOP" },
      { from: 1e9, divisor: 1e9, unit: "GFLOP" },
      { from: 1e6, divisor: 1e6, unit: "MFLOP" },
      { from: 0, divisor: 1, unit: "FLOP" },
    ],
  },
  "tok/s": { suffixes: { "tok/s": 1 } },
  fraction: { suffixes: { "%": 0.01 }, isSilent: true, isShare: true },
  layers: { isSilent: true, isCount: true },
  "": { isSilent: true },
  accuracy: { isSilent: true },
};

/** Returns the properties of a unit; empty for a unit missing here. */
export const unitOf = (unit: string): Unit => (Object.hasOwn(units, unit) ? units[unit]! : {});
