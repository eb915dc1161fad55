// Starts the page: reads the data, unpacks plotly.js, hands each figure to what draws it, and keeps all views in step.
import "./style.css";
import type { View } from "../page/view.ts";
import { setUpDetails } from "./details.ts";
import { byId } from "./dom.ts";
import { Figures, sayInstead } from "./figures.ts";
import { drawHypervolume } from "./hypervolume.ts";
import { drawParallel } from "./parallel.ts";
import { loadPlotly } from "./plotly.ts";
import { axisChoices, defaultAxes, drawScatter } from "./scatter.ts";
import { setUpSheet } from "./sheet.ts";
import { Store } from "./store.ts";
import { unpack } from "./unpack.ts";

const scatters = (): HTMLElement[] => [...document.querySelectorAll<HTMLElement>(".plot.scatter")];

/** Fills the two axis menus; returns what is chosen now. */
function setUpAxes(view: View, changed: () => void): () => readonly [string, string] {
  const selects = [byId<HTMLSelectElement>("axis-x"), byId<HTMLSelectElement>("axis-y")] as const;
  const defaults = defaultAxes(view);
  for (const [index, select] of selects.entries()) {
    const options = axisChoices(view).map(
      ({ id, label }) => new Option(label, id, false, id === defaults[index]),
    );
    select.append(...options);
    select.addEventListener("change", changed);
  }
  byId("axes").hidden = false;
  return () => [selects[0].value, selects[1].value];
}

/** Rows of tables and lists follow the selection: those outside step back, the chosen one is marked. */
function markRows(store: Store): void {
  const { trials } = store.view;
  const byNumber = new Map(trials.map(({ number }, index) => [String(number), index]));
  for (const row of document.querySelectorAll<HTMLElement>("main [data-trial]")) {
    const trial = byNumber.get(row.dataset.trial!)!;
    row.classList.toggle("out", store.filtering && !store.admits(trial));
    row.classList.toggle("chosen", trial === store.currentChoice);
  }
}

async function start(): Promise<void> {
  const view = JSON.parse(await unpack("view")) as View;
  const store = new Store(view);
  setUpSheet(store);
  setUpDetails(view);
  markRows(store);
  const figures = new Figures(await loadPlotly());
  const axes = setUpAxes(view, () => figures.invalidate(scatters()));
  figures.add(
    byId("parallel"),
    async (_, target) => drawParallel(target, store),
    "No layout has a value on every axis yet.",
  );
  for (const figure of scatters()) {
    const device = view.devices[Number(figure.dataset.device)]?.name ?? "";
    figures.add(
      figure,
      (plotly, target, theme) => drawScatter(plotly, target, device, axes(), theme, store),
      "Nothing was measured here for these two axes.",
    );
  }
  figures.add(
    byId("hypervolume"),
    (plotly, target, theme) => drawHypervolume(plotly, target, view, theme),
    "No finished trial yet.",
  );
  let scheduled = false;
  store.onChange(() => {
    // A slider moves many times a frame; one drawing a frame is enough.
    if (scheduled) return;
    scheduled = true;
    requestAnimationFrame(() => {
      scheduled = false;
      markRows(store);
      figures.invalidate([byId("parallel"), ...scatters()]);
    });
  });
  addEventListener("resize", () => figures.invalidate([byId("parallel")]));
  document.documentElement.dataset.ready = "true";
}

start().catch((error: unknown) => {
  const reason = error instanceof Error ? error.message : String(error);
  for (const figure of document.querySelectorAll<HTMLElement>(".plot"))
    sayInstead(figure, `This plot could not be drawn: ${reason}`);
});
