// Starts the page: reads the data, unpacks plotly.js, assigns each figure to its drawing function, and
// synchronises all views.
import "./style.css";
import type { View } from "../page/view.ts";
import { setUpAllTrials } from "./all-trials.ts";
import { axisChoices, defaultAxes } from "./axes.ts";
import { contextChoices, drawContexts } from "./contexts.ts";
import { setUpDetails } from "./details.ts";
import { byId } from "./dom.ts";
import { drawEvolution } from "./draw-evolution.ts";
import { drawHypervolume } from "./draw-hypervolume.ts";
import { drawLineage } from "./draw-lineage.ts";
import { Figures, sayInstead } from "./figures.ts";
import { follow, sectionsNow } from "./follow-live.ts";
import { Keys } from "./keys.ts";
import { followAddress } from "./open-trial.ts";
import { Store } from "./page-selection.ts";
import { drawParallel } from "./parallel.ts";
import { loadPlotly } from "./plotly.ts";
import { addSaveButtons } from "./save.ts";
import { drawScatter } from "./scatter.ts";
import { setUpSheet } from "./sheet.ts";
import { drawTimeline } from "./timeline.ts";
import { unpack } from "./unpack.ts";

const all = (selector: string): HTMLElement[] => [...document.querySelectorAll<HTMLElement>(selector)];
const scatters = (): HTMLElement[] => all(".plot.scatter");
const contexts = (): HTMLElement[] => all(".plot.contexts");

/** Fills a menu. The earlier choice is kept. */
function fill(
  select: HTMLSelectElement,
  choices: readonly { readonly id: string; readonly label: string }[],
  preferred?: string,
): void {
  const before = select.value;
  const chosen = [before, preferred].find((id) => choices.some((choice) => choice.id === id));
  select.replaceChildren(...choices.map(({ id, label }) => new Option(label, id, false, id === chosen)));
}

/** Fills the menus of axes and of the metric over contexts, where the page has them. */
function fillMenus(view: View): void {
  const defaults = defaultAxes(view);
  fill(byId("axis-x"), axisChoices(view), defaults[0]);
  fill(byId("axis-y"), axisChoices(view), defaults[1]);
  byId("axes").hidden = false;
  const metric = document.getElementById("context-metric") as HTMLSelectElement | null;
  if (metric === null) return;
  fill(metric, contextChoices(view));
  byId("context-controls").hidden = false;
}

/** Assigns every figure of the page to its drawing function. Known figures stay unchanged. */
function addFigures(figures: Figures, store: Store): void {
  const device = (figure: HTMLElement): string =>
    store.view.devices[Number(figure.dataset.device)]?.name ?? "";
  const value = (id: string): string => byId<HTMLSelectElement>(id).value;
  figures.add(
    byId("parallel"),
    async (_, target) => drawParallel(target, store),
    "No layout has a value on every axis yet.",
  );
  for (const figure of scatters())
    figures.add(
      figure,
      (plotly, target, theme) =>
        drawScatter(plotly, target, device(target), [value("axis-x"), value("axis-y")], theme, store),
      "Nothing was measured here for these two axes.",
    );
  for (const figure of contexts())
    figures.add(
      figure,
      (plotly, target, theme) =>
        drawContexts(
          plotly,
          target,
          device(target),
          target.dataset.base ?? value("context-metric"),
          theme,
          store,
        ),
      "Nothing was measured here at several contexts.",
    );
  figures.add(
    byId("hypervolume"),
    (plotly, target, theme) => drawHypervolume(plotly, target, store, theme),
    "No finished trial yet.",
  );
  const evolution = document.getElementById("evolution");
  if (evolution !== null)
    figures.add(
      evolution,
      async (_, target) => drawEvolution(target, store, Number(target.dataset.rows)),
      "No layout has been on the front yet.",
    );
  const lineage = document.getElementById("lineage-plot");
  if (lineage !== null)
    figures.add(
      lineage,
      async (_, target) => drawLineage(target, store),
      "No layout has been on the front yet.",
    );
  const timeline = document.getElementById("timeline-plot");
  if (timeline !== null)
    figures.add(timeline, async (_, target) => drawTimeline(target, store), "Nothing was recorded.");
}

/** Rows of tables and lists follow the selection: those outside are greyed out, the chosen one is marked. */
function markRows(store: Store): void {
  const { trials } = store.view;
  const byNumber = new Map(trials.map(({ number }, index) => [String(number), index]));
  for (const row of all("main [data-trial]")) {
    const trial = byNumber.get(row.dataset.trial!)!;
    row.classList.toggle("out", store.isGreyedOut(trial));
    row.classList.toggle("chosen", trial === store.currentChoice);
  }
}

async function start(): Promise<void> {
  document.getElementById("unfilled")?.remove();
  const pristine = sectionsNow();
  const store = new Store(JSON.parse(await unpack("view")) as View);
  const refreshSheet = setUpSheet(store);
  setUpDetails(store);
  setUpAllTrials(store);
  markRows(store);
  const plotly = await loadPlotly();
  const figures = new Figures(plotly, new Keys(plotly, store));
  fillMenus(store.view);
  addFigures(figures, store);
  addSaveButtons(plotly, store);
  document.addEventListener("change", ({ target }) => {
    const { id } = target as HTMLElement;
    if (id === "axis-x" || id === "axis-y") figures.invalidate(scatters());
    if (id === "context-metric") figures.invalidate(contexts());
  });
  let scheduled = false;
  store.onChange(() => {
    // A slider moves many times per frame; one drawing per frame is enough.
    if (scheduled) return;
    scheduled = true;
    requestAnimationFrame(() => {
      scheduled = false;
      markRows(store);
      figures.invalidate([...all("#parallel, #hypervolume, .plot.drawn"), ...scatters(), ...contexts()]);
    });
  });
  addEventListener("resize", () => figures.invalidate([byId("parallel"), ...all(".plot.drawn")]));
  follow(
    pristine,
    () => store.view,
    (view) => {
      store.replace(view);
      fillMenus(view);
      addFigures(figures, store);
      addSaveButtons(plotly, store);
      refreshSheet();
      markRows(store);
      figures.invalidate();
    },
  );
  document.documentElement.dataset.ready = "true";
  followAddress(store);
}

start().catch((error: unknown) => {
  const reason = error instanceof Error ? error.message : String(error);
  for (const figure of all(".plot")) sayInstead(figure, `This plot could not be drawn: ${reason}`);
});
