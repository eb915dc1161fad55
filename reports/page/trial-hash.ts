// The address of one trial, or of one of its metrics, within the page of its sweep: the part after the `#`.

export const trialHash = (number: number, metric?: string): string =>
  `#${new URLSearchParams({ trial: String(number), ...(metric !== undefined && { metric }) })}`;

/** Returns the trial that an address names; null where it names a section, or nothing. */
export function trialInHash(hash: string): { readonly number: number; readonly metric?: string } | null {
  const asked = new URLSearchParams(hash.slice(1));
  const [trial, metric] = [asked.get("trial"), asked.get("metric")];
  if (trial === null || !/^\d{1,9}$/.test(trial)) return null;
  return { number: Number(trial), ...(metric !== null && { metric }) };
}
