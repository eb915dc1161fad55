// The part of plotly.js that the page uses, and how it gets here: unpacked from the page itself, never
// fetched.
import { unpack } from "./unpack.ts";

export interface Trace {
  readonly [key: string]: unknown;
}
interface PlotlyAxis {
  /** Pixels from the left or the top, of a value. */
  l2p(value: number): number;
  /** Pixels. */
  readonly _length: number;
}
export interface PlotlyElement extends HTMLElement {
  readonly data: readonly Trace[];
  readonly layout: object;
  /** Not documented, but where plotly.js has its axes: there is no other way to ask for a place in pixels. */
  readonly _fullLayout: { readonly xaxis: PlotlyAxis; readonly yaxis: PlotlyAxis };
  on(event: string, listener: (event: PlotEvent | undefined) => void): void;
}
export interface PlotEvent {
  readonly points?: readonly { readonly customdata?: unknown }[];
}
export interface Plotly {
  react(
    element: HTMLElement,
    traces: readonly Trace[],
    layout: object,
    configuration: object,
  ): Promise<PlotlyElement>;
  /** A data address. */
  toImage(
    figure: HTMLElement | { readonly data: readonly Trace[]; readonly layout: object },
    options: {
      readonly format: string;
      readonly width: number;
      readonly height: number;
      readonly scale: number;
    },
  ): Promise<string>;
  Fx: {
    hover(element: HTMLElement, points: readonly { curveNumber: number; pointNumber: number }[]): void;
    unhover(element: HTMLElement): void;
  };
}
declare global {
  interface Window {
    Plotly?: Plotly;
  }
}

/** Unpacks and runs plotly.js. The content security policy admits it by the hash of its text. */
export async function loadPlotly(): Promise<Plotly> {
  const script = document.createElement("script");
  script.textContent = await unpack("plotly");
  document.head.append(script);
  if (window.Plotly === undefined) throw new Error("plotly.js did not start");
  return window.Plotly;
}

const openers = new WeakMap<HTMLElement, (data: unknown) => void>();

/** Acts like a click on a point with this `customdata`. */
export const openPoint = (plot: HTMLElement, data: unknown): void => openers.get(plot)?.(data);

/**
 * Calls back with the `customdata` of a point that is clicked; however often the plot is drawn, once a click.
 */
export function onPoint(plot: PlotlyElement, open: (data: unknown) => void): void {
  openers.set(plot, open);
  if (plot.dataset.opens !== undefined) return;
  plot.dataset.opens = "true";
  plot.on("plotly_click", (event) => {
    const data = event?.points?.[0]?.customdata;
    if (data !== undefined && data !== null) open(data);
  });
}

/** plotly.js reads some tags and entities in labels as markup; this makes any text plain. */
export const plotText = (text: string): string =>
  text.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");

export const configuration = {
  displaylogo: false,
  responsive: true,
  displayModeBar: "hover",
  modeBarButtonsToRemove: ["lasso2d", "autoScale2d", "toImage"],
} as const;
