// Opens one trial by its number: from the page, with its samples, or else from the server. The page's address
// can also name a trial, which lets a comparison of two sweeps link to its trials.
import type { LiveAddresses } from "../live-messages.ts";
import { trialInHash } from "../page/trial-hash.ts";
import type { View } from "../page/view.ts";
import { showDetails } from "./details.ts";
import type { Store } from "./page-selection.ts";

/** Opens a trial. Returns false where neither the page nor the server has it. */
export async function openTrial({ view }: Store, number: number, metric?: string): Promise<boolean> {
  const known = view.trials.findIndex((trial) => trial.number === number);
  const live = document.getElementById("live");
  if (known >= 0 && (live === null || view.samples[known] !== undefined)) {
    showDetails(view, known, metric);
    return true;
  }
  if (live === null) return false;
  const { trials } = JSON.parse(live.textContent!) as LiveAddresses;
  const response = await fetch(`${trials}/${number}`).catch(() => null);
  if (!response?.ok) return false;
  showDetails((await response.json()) as View, 0, metric);
  return true;
}

/** Opens the trial that the page's address names, now and whenever the address changes. */
export function followAddress(store: Store): void {
  const open = (): void => {
    const asked = trialInHash(location.hash);
    if (asked !== null) void openTrial(store, asked.number, asked.metric);
  };
  addEventListener("hashchange", open);
  open();
}
