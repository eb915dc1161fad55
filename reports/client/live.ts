// Follows a running sweep: the server says that something changed, the page asks for the new state and takes over what
// differs. Controls and drawn figures stay the elements they are, so that neither focus nor a slider in hand is lost.
import type { LiveAddresses, LiveState } from "../html.ts";
import type { View } from "../page/view.ts";
import { byId } from "./dom.ts";

/** Sections with controls: kept as they are while they show the same figures. */
const INTERACTIVE: ReadonlySet<string> = new Set(["decide", "pareto", "contexts", "trials"]);

const keyOf = (element: Element): string => element.id || element.tagName;
const plotKey = (plot: Element): string =>
  plot.id ||
  [
    plot.classList.contains("scatter") ? "scatter" : "contexts",
    (plot as HTMLElement).dataset.base ?? "",
    (plot as HTMLElement).dataset.device,
  ].join(" ");
const plotsOf = (element: Element): Element[] => [...element.querySelectorAll(".plot")];

/** Sections by key as the server wrote them; to be taken before any script changes them. */
export function sectionsNow(): Map<string, string> {
  return new Map(
    [...document.querySelector("main")!.children].map((child) => [keyOf(child), child.outerHTML]),
  );
}

/** Drawn figures move into the new section in the place of their empty twins. */
function carryPlots(old: Element, fresh: Element): void {
  const drawn = new Map(plotsOf(old).map((plot) => [plotKey(plot), plot as HTMLElement]));
  for (const twin of plotsOf(fresh)) {
    const plot = drawn.get(plotKey(twin));
    if (plot === undefined) continue;
    for (const name of ["style", "data-rows"]) {
      const value = twin.getAttribute(name);
      if (value !== null) plot.setAttribute(name, value);
    }
    twin.replaceWith(plot);
  }
}

const openReasons = (root: ParentNode): Set<string | null> =>
  new Set([...root.querySelectorAll("details[open] .reason")].map((reason) => reason.textContent));

function replaceSection(old: Element, fresh: Element): void {
  const open = openReasons(old);
  for (const details of fresh.querySelectorAll("details"))
    if (open.has(details.querySelector(".reason")?.textContent ?? null)) details.open = true;
  const focused = old.contains(document.activeElement) ? (document.activeElement as HTMLElement) : null;
  const [row, metric] = [focused?.closest<HTMLElement>("[data-trial]"), focused?.dataset.metric];
  carryPlots(old, fresh);
  old.replaceWith(fresh);
  if (row && metric)
    fresh
      .querySelector<HTMLElement>(`[data-trial="${row.dataset.trial}"] [data-metric="${CSS.escape(metric)}"]`)
      ?.focus({ preventScroll: true });
}

function patch(markup: string, known: Map<string, string>): void {
  const next = new DOMParser().parseFromString(`<main>${markup}</main>`, "text/html").querySelector("main")!;
  const main = document.querySelector("main")!;
  const old = new Map([...main.children].map((child) => [keyOf(child), child]));
  let previous: Element | null = null;
  for (const fresh of [...next.children]) {
    const key = keyOf(fresh);
    const before = old.get(key);
    old.delete(key);
    const markupNow = fresh.outerHTML;
    const unchanged = known.get(key) === markupNow;
    known.set(key, markupNow);
    const samePlots = (): boolean =>
      plotsOf(before!).map(plotKey).join() === plotsOf(fresh).map(plotKey).join();
    if (before !== undefined && (unchanged || (INTERACTIVE.has(key) && samePlots()))) {
      previous = before;
      continue;
    }
    if (before !== undefined) replaceSection(before, fresh);
    else if (previous === null) main.prepend(fresh);
    else previous.after(fresh);
    previous = fresh;
  }
  for (const [key, gone] of old) {
    known.delete(key);
    gone.remove();
  }
}

/** Scrolling goes by whole pixels of the screen; what was rounded away is made good by the next change. */
let rounding = 0;

/** Runs `change` and scrolls so that the figure or section in the middle of the window stays where it was: sections above it grow. */
function holdingPlace(change: () => void): void {
  const marks = (): [string, Element][] =>
    [...document.querySelectorAll("main > [id], main .plot")].map((mark) => [
      mark.classList.contains("plot") ? plotKey(mark) : keyOf(mark),
      mark,
    ]);
  const top = (mark: Element): number => mark.getBoundingClientRect().top;
  const seen = marks().filter(([, mark]) => top(mark) >= 0 && top(mark) < innerHeight);
  const inSight = seen.findLast(([, mark]) => top(mark) <= innerHeight / 2) ?? seen[0];
  const wanted = inSight === undefined ? 0 : top(inSight[1]) - rounding;
  change();
  const after = inSight && marks().find(([key]) => key === inSight[0])?.[1];
  if (after === undefined || scrollY === 0) return;
  scrollBy({ top: top(after) - wanted, behavior: "instant" });
  rounding = Math.max(-1, Math.min(1, top(after) - wanted));
}

const LOST = "connection lost; trying again";

/** Does nothing on a page that was written to a file. `known` is `sectionsNow()` of the untouched page. */
export function follow(known: Map<string, string>, apply: (view: View) => void): void {
  const element = document.getElementById("live");
  if (element === null) return;
  const live = JSON.parse(element.textContent!) as LiveAddresses;
  const status = byId("live-status");
  // The page keeps its place itself; the browser's own anchors are among what is replaced.
  document.documentElement.style.setProperty("overflow-anchor", "none");
  let shown = status.textContent;
  let [have, wanted, busy] = [live.revision, live.revision, false];

  const catchUp = async (): Promise<void> => {
    if (busy) return;
    busy = true;
    try {
      while (have < wanted) {
        const response = await fetch(live.state);
        if (!response.ok) throw new Error(`the server answered ${response.status}`);
        const state = (await response.json()) as LiveState;
        holdingPlace(() => {
          patch(state.main, known);
          apply(state.view);
        });
        have = state.revision;
        shown = status.textContent = state.status;
      }
    } catch {
      status.textContent = LOST;
    } finally {
      busy = false;
    }
  };

  const source = new EventSource(live.events);
  source.addEventListener("changed", (event) => {
    status.textContent = shown;
    wanted = Number((event as MessageEvent<string>).data);
    void catchUp();
  });
  source.addEventListener("error", () => {
    status.textContent = LOST;
  });
}
