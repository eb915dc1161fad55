// Distances between the logits of two engines. Logits are [positions][V].

/** Returns the floats in these bytes. */
export const floats = (bytes: Buffer): Float32Array =>
  new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength));

export const mean = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0) / values.length;

function logSoftmax(logits: Float32Array): Float64Array {
  const largest = logits.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
  const sum = logits.reduce((total, x) => total + Math.exp(x - largest), 0);
  return Float64Array.from(logits, (x) => x - largest - Math.log(sum));
}

/** Returns KL(peer || ours) of each position. */
export function divergences(peers: Float32Array, ours: Float32Array, vocab: number): number[] {
  return Array.from({ length: peers.length / vocab }, (_, i) => {
    const p = logSoftmax(peers.subarray(i * vocab, (i + 1) * vocab));
    const q = logSoftmax(ours.subarray(i * vocab, (i + 1) * vocab));
    return p.reduce((total, log, j) => total + Math.exp(log) * (log - q[j]!), 0);
  });
}

/**
 * Returns the largest difference of two engines' log-probabilities among the peer's 8 likeliest tokens of
 * each position.
 */
export function largestDifference(peers: Float32Array, ours: Float32Array, vocab: number): number {
  let worst = 0;
  for (let at = 0; at < peers.length; at += vocab) {
    const p = logSoftmax(peers.subarray(at, at + vocab));
    const q = logSoftmax(ours.subarray(at, at + vocab));
    const likeliest = [...p.keys()].sort((a, b) => p[b]! - p[a]!).slice(0, 8);
    for (const j of likeliest) worst = Math.max(worst, Math.abs(p[j]! - q[j]!));
  }
  return worst;
}
