// A row of a bench's --json output. Ratios are ours to the peer's; null without a peer.
export interface BenchRow {
  readonly name: string;
  readonly ours: number;
  readonly peer: number | null;
  readonly ratio: number | null;
  readonly low: number | null;
  readonly high: number | null;
  readonly unit: string;
}
