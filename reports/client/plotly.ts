// The part of plotly.js that the page uses, and its loading: it is unpacked from the page itself, never
// fetched.
import { unpack } from "./unpack.ts";

export interface Trace {
  readonly [key: string]: unknown;
}
interface PlotlyAxis {
  /** Position of a value, in pixels from the left or the top. */
  l2p(value: number): number;
  /** Length in pixels. */
  readonly _length: number;
}
export interface PlotlyElement extends HTMLElement {
  readonly data: readonly Trace[];
  readonly layout: object;
  /** Undocumented, but plotly.js offers no other way to get a position in pixels. */
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
  /** Returns the image as a data address. */
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

/** Unpacks and runs plotly.js. The content security policy allows the script by the hash of its text. */
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

/** Calls back with the `customdata` of a clicked point: once per click, however often the plot is drawn. */
export function onPoint(plot: PlotlyElement, open: (data: unknown) => void): void {
  openers.set(plot, open);
  if (plot.dataset.opens !== undefined) return;
  plot.dataset.opens = "true";
  plot.on("plotly_click", (event) => {
    const data = event?.points?.[0]?.customdata;
    if (data !== undefined && data !== null) open(data);
  });
}

/** Makes any text plain for plotly.js, which reads some tags and entities in labels as markup. */
export const plotText = (text: string): string =>
  text.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");

export const configuration = {
  displaylogo: false,
  responsive: true,
  displayModeBar: "hover",
  modeBarButtonsToRemove: ["lasso2d", "autoScale2d", "toImage"],
} as const;
