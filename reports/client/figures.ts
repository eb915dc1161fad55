// Draws each figure when it comes near the window, and again when its data or the colour scheme changed. A
// page of 5,000 trials then opens quickly, because only visible figures are drawn. Printing draws everything,
// for paper.
import { type Keys, keepingFocus } from "./keys.ts";
import type { Plotly } from "./plotly.ts";
import { currentTheme, type Theme } from "./theme.ts";

/** Draws into the element. Returns false when there is nothing to draw. */
export type Draw = (plotly: Plotly, element: HTMLElement, theme: Theme) => Promise<boolean>;

interface Figure {
  readonly draw: Draw;
  readonly empty: string;
  stale: boolean;
  near: boolean;
}

/** plotly.js reports a drag's selection up to a tenth of a second after the mouse is released. */
const SELECTED_AFTER_MS = 150;

/** Draws the figures of a page when they are needed. */
export class Figures {
  private readonly figures = new Map<HTMLElement, Figure>();
  private readonly observer: IntersectionObserver;

  /** Resolves when the mouse is released from a figure. A redraw during a drag would lose the drag. */
  private held: Promise<void> = Promise.resolve();

  constructor(
    private readonly plotly: Plotly,
    private readonly keys: Keys,
  ) {
    const hold = ({ target }: PointerEvent): void => {
      if ((target as Element).closest(".plot") === null) return;
      this.held = new Promise((resolve) => {
        for (const end of ["pointerup", "pointercancel"])
          addEventListener(end, () => setTimeout(resolve, SELECTED_AFTER_MS), { once: true, capture: true });
      });
    };
    document.addEventListener("pointerdown", hold, { capture: true });
    this.observer = new IntersectionObserver(
      (entries) => {
        for (const { target, isIntersecting } of entries) {
          const figure = this.figures.get(target as HTMLElement);
          if (figure) figure.near = isIntersecting;
        }
        void this.drawStale((figure) => figure.near);
      },
      { rootMargin: "300px 0px" },
    );
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.invalidate());
    addEventListener("beforeprint", () => this.drawForPaper());
    addEventListener("afterprint", () => {
      delete document.documentElement.dataset.print;
      this.invalidate();
    });
  }

  /** Adds a figure. An element that is already known keeps its figure. */
  add(element: HTMLElement, draw: Draw, empty: string): void {
    if (this.figures.has(element)) return;
    this.figures.set(element, { draw, empty, stale: true, near: false });
    this.observer.observe(element);
  }

  /** Marks everything as out of date, or only these elements. */
  invalidate(elements?: readonly HTMLElement[]): void {
    for (const [element, figure] of this.figures)
      if (elements === undefined || elements.includes(element)) figure.stale = true;
    // Figures of elements that left the page are removed.
    for (const element of this.figures.keys()) {
      if (element.isConnected) continue;
      this.observer.unobserve(element);
      this.figures.delete(element);
    }
    void this.drawStale((figure) => figure.near);
  }

  /**
   * Draws all figures at once for paper: page-wide and in light colours, because a printing browser does not
   * wait.
   */
  private drawForPaper(): void {
    document.documentElement.dataset.print = "true";
    const theme = currentTheme();
    for (const [element, figure] of this.figures) void this.drawOne(element, figure, theme);
  }

  private async drawStale(wanted: (figure: Figure) => boolean): Promise<void> {
    const theme = currentTheme();
    for (const [element, figure] of this.figures) {
      if (!figure.stale || !wanted(figure)) continue;
      await this.held;
      await this.drawOne(element, figure, theme);
      // Lets the browser show this figure before the next is drawn.
      await new Promise((resolve) => setTimeout(resolve));
    }
  }

  private async drawOne(element: HTMLElement, figure: Figure, theme: Theme): Promise<void> {
    figure.stale = false;
    element.querySelector(":scope > .empty")?.remove();
    if (await keepingFocus(element, () => figure.draw(this.plotly, element, theme))) {
      element.dataset.drawn = "true";
      this.keys.show(element);
    } else sayInstead(element, figure.empty);
  }
}

/** Shows a text in a figure without data, instead of a blank area. */
export function sayInstead(element: HTMLElement, text: string): void {
  const note = document.createElement("p");
  note.className = "empty";
  note.textContent = text;
  element.replaceChildren(note);
  delete element.dataset.drawn;
}
