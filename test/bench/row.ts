// A row of what benches print with --json. Ratios are ours to the peer's; null where there is none.
export interface BenchRow {
  readonly name: string;
  readonly ours: number;
  readonly peer: number | null;
  readonly ratio: number | null;
  readonly low: number | null;
  readonly high: number | null;
  readonly unit: string;
}
