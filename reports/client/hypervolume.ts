// Hypervolume after each finished trial, as steps: it only changes when a trial joins the front.
import { formatNumber } from "../format.ts";
import type { View } from "../page/view.ts";
import { configuration, type Plotly } from "./plotly.ts";
import { axis, baseLayout, type Theme } from "./theme.ts";

export async function drawHypervolume(
  plotly: Plotly,
  element: HTMLElement,
  view: View,
  theme: Theme,
): Promise<boolean> {
  const { trial, value } = view.hypervolume;
  if (trial.length === 0) return false;
  await plotly.react(
    element,
    [
      {
        type: "scatter",
        mode: "lines",
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
      yaxis: { ...axis(theme, "hypervolume"), rangemode: "tozero", tickformat: "~g" },
    },
    configuration,
  );
  return true;
}
