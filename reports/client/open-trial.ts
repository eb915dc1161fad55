// One trial by its number, wherever it is: on the page with its samples, else the server has it. Also as the
// page's address names one, which is how a comparison of two sweeps leads to what it compared.
import type { LiveAddresses } from "../live-messages.ts";
import { trialInHash } from "../page/trial-hash.ts";
import type { View } from "../page/view.ts";
import { showDetails } from "./details.ts";
import type { Store } from "./page-selection.ts";

/** False where nobody has it. */
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

export function followAddress(store: Store): void {
  const open = (): void => {
    const asked = trialInHash(location.hash);
    if (asked !== null) void openTrial(store, asked.number, asked.metric);
  };
  addEventListener("hashchange", open);
  open();
}
