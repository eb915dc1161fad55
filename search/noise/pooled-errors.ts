// Standard errors of means from few samples: a layout's own spread counts by its degrees of freedom, that of all layouts together as one
// more (an empirical Bayes shrinkage), so that neither a single sample nor two that agree by luck are taken as exact.

const mean = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length;
const squares = (values: readonly number[]): number => {
  const center = mean(values);
  return values.reduce((sum, value) => sum + (value - center) ** 2, 0);
};

/**
 * One objective: the standard error of each layout's mean from its samples; 0 where there are none (counted, not measured). While no layout
 * has two samples nothing is known of the spread: it is taken to be that between the layouts, which is the most it can be. `relative`: what
 * layouts have in common is their spread over their mean, as of times, not the spread itself.
 */
export function pooledErrors(
  samples: readonly (readonly number[])[],
  { relative }: { readonly relative: boolean },
): readonly number[] {
  const scaled = samples.map((own) => {
    const scale = relative && own.length > 0 ? Math.abs(mean(own)) || 1 : 1;
    return { own: own.map((value) => value / scale), scale };
  });
  const freedom = samples.reduce((sum, own) => sum + Math.max(0, own.length - 1), 0);
  const common =
    freedom > 0
      ? scaled.reduce((sum, { own }) => sum + (own.length > 1 ? squares(own) : 0), 0) / freedom
      : between(samples, relative);
  return scaled.map(({ own, scale }) => {
    const n = own.length;
    if (n === 0) return 0;
    const variance = (common + squares(own)) / n;
    return scale * Math.sqrt(variance / n);
  });
}

/** Variance between the layouts' values, over their mean where it is `relative`. */
function between(samples: readonly (readonly number[])[], relative: boolean): number {
  const values = samples.flatMap((own) => (own.length > 0 ? [mean(own)] : []));
  if (values.length < 2) return 0;
  const scale = relative ? mean(values) || 1 : 1;
  return squares(values) / (values.length - 1) / scale ** 2;
}
