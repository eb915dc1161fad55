// The exact distribution of the rank-sum statistic U (Mann and Whitney 1947), for one block of pairs or
// several together.

/**
 * `counts[u]`: the number of the C(n + m, n) label patterns whose rank-sum statistic is u. Recursion: the
 * largest of n + m values is either of the first kind (it exceeds all m) or of the second.
 */
function rankSumCounts(n: number, m: number): readonly number[] {
  let rows = Array.from({ length: m + 1 }, () => [1]);
  for (let i = 1; i <= n; i++) {
    const next: number[][] = [[1]];
    for (let j = 1; j <= m; j++) {
      const counts = new Array<number>(i * j + 1).fill(0);
      for (const [u, count] of rows[j]!.entries()) counts[u + j]! += count;
      for (const [u, count] of next[j - 1]!.entries()) counts[u]! += count;
      next.push(counts);
    }
    rows = next;
  }
  return rows[m]!;
}

/** P(U = u) for one block. */
function chances(n: number, m: number): readonly number[] {
  const counts = rankSumCounts(n, m);
  const patterns = counts.reduce((sum, count) => sum + count, 0);
  return counts.map((count) => count / patterns);
}

function convolved(a: readonly number[], b: readonly number[]): readonly number[] {
  const sums = new Array<number>(a.length + b.length - 1).fill(0);
  for (let i = 0; i < a.length; i++) for (let j = 0; j < b.length; j++) sums[i + j]! += a[i]! * b[j]!;
  return sums;
}

/** Number of values of either kind in a block. */
export type BlockSize = readonly [number, number];

/** Cached, because comparisons need the same few distributions repeatedly. */
const known = new Map<string, readonly number[]>();
const MOST_KNOWN = 2000;

function remembered(key: string, make: () => readonly number[]): readonly number[] {
  let found = known.get(key);
  if (found === undefined) {
    found = make();
    if (known.size >= MOST_KNOWN) known.clear();
    known.set(key, found);
  }
  return found;
}

/**
 * Returns cumulative chances: `cumulative[u]` is the chance that U, summed over independent blocks, is at
 * most u.
 */
export function rankSumCumulative(blocks: readonly BlockSize[]): readonly number[] {
  return remembered(`all ${blocks.join(";")}`, () => {
    const all = blocks.map(([n, m]) => remembered(`${n},${m}`, () => chances(n, m))).reduce(convolved);
    let sum = 0;
    return all.map((chance) => {
      sum += chance;
      return sum;
    });
  });
}

/** Returns the standard deviation of U, summed over independent blocks. */
export const rankSumSd = (blocks: readonly BlockSize[]): number =>
  Math.sqrt(blocks.reduce((sum, [n, m]) => sum + (n * m * (n + m + 1)) / 12, 0));
