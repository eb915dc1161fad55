// Draws the hypervolume after each finished trial, as steps: it changes only when a trial joins the front.
// Each step has a mark, which follows the selection like every other view.
import { formatNumber } from "../format.ts";
import { showDetails } from "./details.ts";
import type { Store } from "./page-selection.ts";
import { configuration, onPoint, type Plotly } from "./plotly.ts";
import { axis, baseLayout, type Theme } from "./theme.ts";

/** With more steps than this, the marks are small. */
const MANY = 60;

/** Draws the hypervolume into the element. Returns false without data. */
export async function drawHypervolume(
  plotly: Plotly,
  element: HTMLElement,
  store: Store,
  theme: Theme,
): Promise<boolean> {
  const { view } = store;
  const { trial, value } = view.hypervolume;
  if (trial.length === 0) return false;
  const place = new Map(view.trials.map(({ number }, index) => [number, index]));
  const trials = trial.map((number) => place.get(number) ?? null);
  // The curve extends from the first trial to the latest, although neither need have raised the volume.
  const joined = (n: number): boolean => value[n] !== (value[n - 1] ?? 0);
  const chosen = (index: number | null): boolean => index !== null && index === store.currentChoice;
  const plot = await plotly.react(
    element,
    [
      {
        type: "scatter",
        mode: "lines+markers",
        meta: "keys",
        customdata: trials,
        x: trial,
        y: value,
        line: { shape: "hv", width: 2, color: theme.front },
        marker: {
          color: trials.map((index) => (chosen(index) ? theme.ink : theme.front)),
          size: trials.map((index) => (chosen(index) ? 10 : trial.length > MANY ? 3 : 6)),
          opacity: trials.map((index, n) =>
            !joined(n) ? 0 : index !== null && store.isGreyedOut(index) ? 0.2 : 1,
          ),
        },
        cliponaxis: false,
        hovertext: trial.map((number, index) => `after trial ${number}: ${formatNumber(value[index]!, 4)}`),
        hovertemplate: "%{hovertext}<extra></extra>",
      },
    ],
    {
      ...baseLayout(theme, element),
      xaxis: { ...axis(theme, "trial"), rangemode: "tozero" },
      yaxis: { ...axis(theme, "hypervolume"), rangemode: "tozero", tickformat: ",~g" },
    },
    configuration,
  );
  onPoint(plot, (index) => {
    if (index !== null) showDetails(store.view, index as number);
  });
  return true;
}
