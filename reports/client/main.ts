// Starts the page: reads the data, unpacks plotly.js, and hands each figure to what draws it.
import "./style.css";
import type { View } from "../page/view.ts";
import { Figures, sayInstead } from "./figures.ts";
import { drawHypervolume } from "./hypervolume.ts";
import { loadPlotly } from "./plotly.ts";
import { axisChoices, defaultAxes, drawScatter } from "./scatter.ts";
import { unpack } from "./unpack.ts";

const element = <T extends HTMLElement>(id: string): T => document.getElementById(id) as T;
const scatters = (): HTMLElement[] => [...document.querySelectorAll<HTMLElement>(".plot.scatter")];

/** Fills the two axis menus; returns what is chosen now. */
function setUpAxes(view: View, changed: () => void): () => readonly [string, string] {
  const selects = [element<HTMLSelectElement>("axis-x"), element<HTMLSelectElement>("axis-y")] as const;
  const defaults = defaultAxes(view);
  for (const [index, select] of selects.entries()) {
    const options = axisChoices(view).map(
      ({ id, label }) => new Option(label, id, false, id === defaults[index]),
    );
    select.append(...options);
    select.addEventListener("change", changed);
  }
  element("axes").hidden = false;
  return () => [selects[0].value, selects[1].value];
}

async function start(): Promise<void> {
  const view = JSON.parse(await unpack("view")) as View;
  const figures = new Figures(await loadPlotly());
  const axes = setUpAxes(view, () => figures.invalidate(scatters()));
  for (const figure of scatters()) {
    const device = view.devices[Number(figure.dataset.device)]?.name ?? "";
    figures.add(
      figure,
      (plotly, target, theme) => drawScatter(plotly, target, view, device, axes(), theme),
      "Nothing was measured here for these two axes.",
    );
  }
  figures.add(
    element("hypervolume"),
    (plotly, target, theme) => drawHypervolume(plotly, target, view, theme),
    "No finished trial yet.",
  );
  document.documentElement.dataset.ready = "true";
}

start().catch((error: unknown) => {
  const reason = error instanceof Error ? error.message : String(error);
  for (const figure of document.querySelectorAll<HTMLElement>(".plot"))
    sayInstead(figure, `This plot could not be drawn: ${reason}`);
});
