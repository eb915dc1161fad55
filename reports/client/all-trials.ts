// The table of every trial of a sweep. It requests one page at a time from the server, so it exists only on
// pages with a server.
import type { LiveAddresses, TrialsPage } from "../live-messages.ts";
import { metricLabel } from "../metrics.ts";
import { byId, make } from "./dom.ts";
import { openTrial } from "./open-trial.ts";
import type { Store } from "./page-selection.ts";

/** A request is sent when typing pauses for this long. */
const PAUSE_MS = 250;

type Show = (trial: number, metric?: string) => Promise<void>;

/** A page of trials. Numbers and values open details. */
function tableOf(
  { rows }: TrialsPage,
  objectives: Store["view"]["objectives"],
  show: Show,
): readonly HTMLElement[] {
  const value = (trial: number, metric: string, text: string): HTMLElement => {
    const button = make("button", { type: "button", class: "number", "data-metric": metric }, text);
    button.addEventListener("click", () => void show(trial, metric));
    return button;
  };
  const body = rows.map((row) => {
    const open = make("button", { type: "button", class: "link" }, `#${row.number}`);
    open.addEventListener("click", () => void show(row.number));
    return make(
      "tr",
      {},
      make("th", { scope: "row" }, open),
      make("td", {}, make("code", {}, row.pattern)),
      make("td", {}, row.state === "infeasible" ? "over budget" : row.state),
      ...row.values.map((text, n) =>
        make("td", { class: "num" }, text === null ? "–" : value(row.number, objectives[n]!.key, text)),
      ),
    );
  });
  const heads = ["Trial", "Layout", "State"].map((text) => make("th", { scope: "col" }, text));
  const metrics = objectives.map(({ key }) => make("th", { scope: "col", class: "num" }, metricLabel(key)));
  return [make("thead", {}, make("tr", {}, ...heads, ...metrics)), make("tbody", {}, ...body)];
}

const spanText = ({ offset, rows, total }: TrialsPage): string =>
  total === 0
    ? "No such trial."
    : `${(offset + 1).toLocaleString("en-US")}–${Math.min(total, offset + rows.length).toLocaleString("en-US")} of ${total.toLocaleString("en-US")}`;

/** Requests data once the table comes into sight, so that opening a page requests nothing. */
function onSight(element: HTMLElement, ask: () => void): void {
  const observer = new IntersectionObserver((entries) => {
    if (!entries.some(({ isIntersecting }) => isIntersecting)) return;
    observer.disconnect();
    ask();
  });
  observer.observe(element);
}

/** Sets up the table of all trials. Does nothing on a page without a server. */
export function setUpAllTrials(store: Store): void {
  const element = document.getElementById("live");
  if (element === null || document.getElementById("every-trial") === null) return;
  const { trials: address } = JSON.parse(element.textContent!) as LiveAddresses;
  const [state, sort, find] = [
    byId<HTMLSelectElement>("trials-state"),
    byId<HTMLSelectElement>("trials-sort"),
    byId<HTMLInputElement>("trials-find"),
  ];
  const [earlier, later] = [
    byId<HTMLButtonElement>("trials-earlier"),
    byId<HTMLButtonElement>("trials-later"),
  ];
  let [offset, size] = [0, 0];
  let asked = 0;

  const fail = (): void => {
    byId("trials-count").textContent = "The server did not answer. Reload the page.";
  };
  const show: Show = async (trial, metric) => {
    if (!(await openTrial(store, trial, metric))) fail();
  };
  const fill = (page: TrialsPage): void => {
    const { view } = store;
    size = page.size;
    const last = Math.min(page.total, page.offset + page.rows.length);
    byId("trials-count").textContent = spanText(page);
    earlier.disabled = page.offset === 0;
    later.disabled = last >= page.total;
    byId("every-trial").replaceChildren(...tableOf(page, view.objectives, show));
  };
  const ask = async (): Promise<void> => {
    const mine = ++asked;
    const query = new URLSearchParams({
      offset: String(offset),
      state: state.value,
      sort: sort.value.replace(/^-/, ""),
      descending: sort.value.startsWith("-") ? "1" : "0",
      find: find.value.trim(),
    });
    const response = await fetch(`${address}?${query}`).catch(() => null);
    // An answer is dropped if a later question was sent meanwhile.
    if (mine !== asked) return;
    if (response?.ok) fill((await response.json()) as TrialsPage);
    else fail();
  };
  const fromStart = (): void => {
    offset = 0;
    void ask();
  };
  const turn = (pages: number): void => {
    offset = Math.max(0, offset + pages * size);
    void ask();
  };
  sort.append(
    ...store.view.objectives.map(
      ({ key, direction }) => new Option(`best ${metricLabel(key)}`, direction === "max" ? `-${key}` : key),
    ),
  );
  state.addEventListener("change", fromStart);
  sort.addEventListener("change", fromStart);
  let pause: ReturnType<typeof setTimeout> | undefined;
  find.addEventListener("input", () => {
    clearTimeout(pause);
    pause = setTimeout(fromStart, PAUSE_MS);
  });
  earlier.addEventListener("click", () => turn(-1));
  later.addEventListener("click", () => turn(1));
  onSight(byId("trials"), () => void ask());
}
