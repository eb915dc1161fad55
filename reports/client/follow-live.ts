// Follows a running sweep. The server sends changes and the page applies them. If the page missed a change,
// it requests the whole state. Controls and drawn figures stay the same elements, so that neither focus nor a
// held slider is lost.
import type { LiveAddresses, LiveChange, LiveState } from "../live-messages.ts";
import type { Section } from "../page/page-body.ts";
import { patched } from "../page/patch.ts";
import type { View } from "../page/view.ts";
import { byId } from "./dom.ts";

/** Sections with controls. They are kept unchanged while they show the same figures. */
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

/** Returns the sections by key, as the server wrote them. Call it before any script changes them. */
export function sectionsNow(): Map<string, string> {
  return new Map(
    [...document.querySelector("main")!.children].map((child) => [keyOf(child), child.outerHTML]),
  );
}

/** Moves drawn figures into the new section, in place of their empty counterparts. */
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

const parsed = (markup: string): Element =>
  new DOMParser().parseFromString(markup, "text/html").body.firstElementChild!;

/** Replaces sections. `order` names every section of the page. */
function putSections(
  sections: readonly Section[],
  order: readonly string[],
  known: Map<string, string>,
): void {
  const main = document.querySelector("main")!;
  const old = new Map([...main.children].map((child) => [keyOf(child), child]));
  for (const [key, markup] of sections) {
    const fresh = parsed(markup);
    const before = old.get(key);
    const markupNow = fresh.outerHTML;
    const unchanged = known.get(key) === markupNow;
    known.set(key, markupNow);
    if (before === undefined) old.set(key, fresh);
    else if (!unchanged && !(INTERACTIVE.has(key) && samePlots(before, fresh))) {
      replaceSection(before, fresh);
      old.set(key, fresh);
    }
  }
  const wanted = new Set(order);
  for (const [key, element] of old) {
    if (wanted.has(key)) continue;
    known.delete(key);
    element.remove();
  }
  let previous: Element | null = null;
  for (const key of order) {
    const element: Element = old.get(key)!;
    const after: Element | null = previous === null ? main.firstElementChild : previous.nextElementSibling;
    if (element !== after) main.insertBefore(element, after);
    previous = element;
  }
}

const samePlots = (one: Element, other: Element): boolean =>
  plotsOf(one).map(plotKey).join() === plotsOf(other).map(plotKey).join();

/** Scrolling moves by whole screen pixels. The rounded remainder is added to the next change. */
let rounding = 0;

/**
 * Runs `change`, then scrolls so that the figure or section in the middle of the window keeps its place,
 * because sections above it may grow.
 */
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

/**
 * Starts to follow the sweep; does nothing on a page written to a file. `known` is `sectionsNow()` of the
 * untouched page. `current` returns the page's present data.
 */
export function follow(known: Map<string, string>, current: () => View, apply: (view: View) => void): void {
  const element = document.getElementById("live");
  if (element === null) return;
  const live = JSON.parse(element.textContent!) as LiveAddresses;
  const status = byId("live-status");
  // The page keeps its own scroll position, because the browser's anchors may be among the replaced elements.
  document.documentElement.style.setProperty("overflow-anchor", "none");
  let shown = status.textContent;
  let [have, wanted, busy] = [live.revision, live.revision, false];

  const take = (
    { revision, status: text }: LiveState | LiveChange,
    sections: readonly Section[],
    order: readonly string[],
    view: View | null,
  ): void => {
    holdingPlace(() => {
      putSections(sections, order, known);
      if (view !== null) apply(view);
    });
    have = revision;
    shown = status.textContent = text;
  };
  const fetchState = async (): Promise<void> => {
    if (busy) return;
    busy = true;
    try {
      while (have < wanted) {
        const response = await fetch(live.state);
        if (!response.ok) throw new Error(`the server answered ${response.status}`);
        const state = (await response.json()) as LiveState;
        take(
          state,
          state.sections,
          state.sections.map(([key]) => key),
          state.view,
        );
      }
    } catch {
      status.textContent = LOST;
    } finally {
      busy = false;
    }
  };

  const source = new EventSource(live.events);
  source.addEventListener("open", () => {
    status.textContent = shown;
  });
  source.addEventListener("changed", (event) => {
    const change = JSON.parse((event as MessageEvent<string>).data) as LiveChange;
    wanted = Math.max(wanted, change.revision);
    if (change.from !== have || busy) return void fetchState();
    const view = change.view === undefined ? null : (patched(current(), change.view) as View);
    const order = change.order ?? [...document.querySelector("main")!.children].map(keyOf);
    take(change, change.sections, order, view);
  });
  source.addEventListener("behind", (event) => {
    wanted = Math.max(wanted, Number((event as MessageEvent<string>).data));
    void fetchState();
  });
  source.addEventListener("error", () => {
    status.textContent = LOST;
  });
}
