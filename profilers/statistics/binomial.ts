// The binomial distribution, exact.

/** Returns P(X <= k), where X is the number of successes in n independent trials of probability p. */
export function binomialCdf(k: number, n: number, p: number): number {
  if (k >= n || p <= 0) return 1;
  if (k < 0 || p >= 1) return 0;
  const odds = Math.log(p) - Math.log1p(-p);
  let [log, sum] = [n * Math.log1p(-p), 0];
  for (let successes = 0; successes <= k; successes++) {
    sum += Math.exp(log);
    log += Math.log((n - successes) / (successes + 1)) + odds;
  }
  return Math.min(1, sum);
}
