// Hypervolume after each finished trial, as steps: it only changes when a trial joins the front.
import { formatNumber } from "../format.ts";
import { showDetails } from "./details.ts";
import { configuration, onPoint, type Plotly } from "./plotly.ts";
import type { Store } from "./store.ts";
import { axis, baseLayout, type Theme } from "./theme.ts";

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
  const plot = await plotly.react(
    element,
    [
      {
        type: "scatter",
        mode: "lines",
        meta: "keys",
        customdata: trial.map((number) => place.get(number) ?? null),
        x: trial,
        y: value,
        line: { shape: "hv", width: 2, color: theme.front },
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
