// Shows one trial in a dialog: every metric with its raw samples drawn and listed, and the provenance of its
// measurement.
import { formatRange, formatValue, scaleFor, shownUnit } from "../format.ts";
import type { View } from "../page/view.ts";
import { byId, make, makeSvg } from "./dom.ts";
import type { Store } from "./page-selection.ts";

const WIDTH = 220;

/** Raw samples as dots on a line from the smallest to the largest; the value is a tick. */
function dots(samples: readonly number[], value: number): SVGElement {
  const [low, high] = [Math.min(...samples), Math.max(...samples)];
  const x = (sample: number): number =>
    high > low ? 6 + ((sample - low) / (high - low)) * (WIDTH - 12) : WIDTH / 2;
  const svg = makeSvg("svg", {
    class: "dots",
    viewBox: `0 0 ${WIDTH} 20`,
    width: WIDTH,
    height: 20,
    "aria-hidden": "true",
  });
  svg.append(makeSvg("line", { x1: 6, x2: WIDTH - 6, y1: 10, y2: 10 }));
  for (const sample of samples) svg.append(makeSvg("circle", { cx: x(sample), cy: 10, r: 3.5 }));
  svg.append(makeSvg("line", { class: "value", x1: x(value), x2: x(value), y1: 2, y2: 18 }));
  return svg;
}

function row(view: View, trial: number, m: number): HTMLElement | null {
  const metric = view.metrics[m]!;
  const value = metric.value[trial];
  if (value == null) return null;
  const samples = view.samples[trial]?.[m];
  const [low, high] = [metric.low[trial], metric.high[trial]];
  const name = `${metric.label}${metric.device === null ? "" : ` on ${metric.device}`}${metric.emulated ? " (emulated)" : ""}`;
  const item = make("section", { class: "metric", "data-metric": metric.key, tabindex: "-1" });
  const shaky = metric.unstable.includes(trial) ? make("span", { class: "tag warn" }, "unstable") : "";
  item.append(make("h3", {}, name, " ", make("b", {}, formatValue(value, metric.unit)), " ", shaky));
  if (samples === undefined) {
    const range =
      low == null || high == null
        ? "counted, not measured"
        : `${formatRange(low, high, metric.unit)}; samples are in the json export`;
    item.append(make("p", { class: "soft" }, range));
    return item;
  }
  const scale = scaleFor(samples, metric.unit);
  const shown = samples.slice(0, 200).map((sample) => Number((sample / scale.divisor).toPrecision(4)));
  item.append(
    dots(samples, value),
    make(
      "p",
      { class: "samples" },
      `${shown.join("  ")}${samples.length > 200 ? " …" : ""}${shownUnit(scale.unit) === "" ? "" : ` ${scale.unit}`}`,
    ),
  );
  const rest = view.provenance[trial]?.[m];
  if (rest !== undefined)
    item.append(
      make(
        "p",
        { class: "soft" },
        Object.entries(rest)
          .map(([key, text]) => `${key} ${text}`)
          .join(" · "),
      ),
    );
  return item;
}

/** Opens the dialog on a trial, at a metric if one is named. Escape closes it and focus returns. */
export function showDetails(view: View, trial: number, metric?: string): void {
  const dialog = byId<HTMLDialogElement>("details");
  const data = view.trials[trial]!;
  const title = [data.label, data.published, data.id].filter(Boolean).join(" · ");
  const picture = document
    .querySelector(`.layouts li[data-trial="${data.number}"] svg.strip`)
    ?.cloneNode(true);
  const rows = view.metrics.map((_, m) => row(view, trial, m)).filter((item) => item !== null);
  const close = make("button", { type: "button", class: "close" }, "Close");
  close.addEventListener("click", () => dialog.close());
  dialog.replaceChildren(
    make("header", {}, make("h2", { id: "details-title" }, title), close),
    make(
      "p",
      { class: "soft" },
      `Trial ${data.number} · ${data.parameters} parameters · ${data.state}${data.reason === null ? "" : `: ${data.reason}`}`,
    ),
    ...(picture ? [picture] : []),
    make("p", { class: "pattern" }, data.pattern),
    ...(data.origin === null ? [] : [make("p", { class: "soft" }, data.origin)]),
    make("div", { class: "metrics" }, ...rows),
  );
  dialog.showModal();
  const target = rows.find((item) => item.dataset.metric === metric);
  target?.scrollIntoView({ block: "center" });
  (target ?? close).focus();
}

/**
 * Makes anything with data-open open that trial (by index). Table cells open the trial of their row at their
 * metric.
 */
export function setUpDetails(store: Store): void {
  document.addEventListener("click", (event) => {
    const { view } = store;
    const target = event.target as Element;
    const opener = target.closest<HTMLElement>("[data-open]");
    if (opener) return showDetails(view, Number(opener.dataset.open), opener.dataset.metric);
    const cell = target.closest<HTMLElement>("button.number");
    const number = cell?.closest<HTMLElement>("[data-trial]")?.dataset.trial;
    const trial = view.trials.findIndex((candidate) => String(candidate.number) === number);
    if (trial >= 0) showDetails(view, trial, cell!.dataset.metric);
  });
  // Points in drawings that are buttons react to the keyboard like buttons.
  document.addEventListener("keydown", (event) => {
    const point = (event.target as Element).closest<SVGElement>("svg [data-open]");
    if (point === null || (event.key !== "Enter" && event.key !== " ")) return;
    event.preventDefault();
    showDetails(store.view, Number(point.dataset.open));
  });
  const dialog = byId<HTMLDialogElement>("details");
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog) dialog.close();
  });
}
