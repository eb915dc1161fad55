// Saves a drawn figure as SVG or PNG. plotly.js renders its own figures. The page's drawings keep their
// computed styles, so that a file looks like the page, in its present colours.
import { make, makeSvg } from "./dom.ts";
import type { Store } from "./page-selection.ts";
import type { Plotly, PlotlyElement } from "./plotly.ts";
import { withoutCrowds } from "./scatter-crowd.ts";

type Format = "svg" | "png";
const FORMATS: readonly Format[] = ["svg", "png"];
/** Pixels of a PNG per pixel of the page. */
const SCALE = 2;

/** Style properties that the style sheet sets for drawings. Other styles are in attributes. */
const STYLES = [
  "fill",
  "fill-opacity",
  "stroke",
  "stroke-width",
  "stroke-dasharray",
  "opacity",
  "font-family",
  "font-size",
  "font-weight",
  "text-anchor",
  "dominant-baseline",
] as const;

function standalone(svg: SVGElement): string {
  const copy = svg.cloneNode(true) as SVGElement;
  const [from, to] = [
    [svg, ...svg.querySelectorAll("*")],
    [copy, ...copy.querySelectorAll("*")],
  ];
  for (const [n, element] of from.entries()) {
    const style = getComputedStyle(element);
    for (const name of STYLES) to[n]!.setAttribute(name, style.getPropertyValue(name));
    for (const name of ["tabindex", "data-open", "class", "role"]) to[n]!.removeAttribute(name);
  }
  copy.setAttribute("xmlns", "http://www.w3.org/2000/svg");
  const background = getComputedStyle(document.body).backgroundColor;
  copy.prepend(makeSvg("rect", { width: "100%", height: "100%", fill: background }));
  return new XMLSerializer().serializeToString(copy);
}

async function rasterised(markup: string, width: number, height: number): Promise<Blob> {
  const image = new Image();
  const address = URL.createObjectURL(new Blob([markup], { type: "image/svg+xml" }));
  try {
    image.src = address;
    await image.decode();
    const canvas = make("canvas");
    canvas.width = width * SCALE;
    canvas.height = height * SCALE;
    canvas.getContext("2d")!.drawImage(image, 0, 0, canvas.width, canvas.height);
    return await new Promise((resolve, reject) => {
      canvas.toBlob((blob) =>
        blob === null ? reject(new Error("the picture is too large")) : resolve(blob),
      );
    });
  } finally {
    URL.revokeObjectURL(address);
  }
}

/** plotly.js returns a data address. The page's policy forbids to fetch it, so it is decoded here. */
function blobOf(address: string): Blob {
  const [head, body] = [address.slice(5, address.indexOf(",")), address.slice(address.indexOf(",") + 1)];
  if (!head.endsWith(";base64")) return new Blob([decodeURIComponent(body)], { type: head.split(";")[0]! });
  const bytes = Uint8Array.from(atob(body), (character) => character.charCodeAt(0));
  return new Blob([bytes], { type: head.split(";")[0]! });
}

async function figureAs(format: Format, plot: HTMLElement, plotly: Plotly): Promise<Blob> {
  const [width, height] = [plot.clientWidth, plot.clientHeight];
  if (plot.classList.contains("js-plotly-plot")) {
    const scale = format === "png" ? SCALE : 1;
    return blobOf(
      await plotly.toImage(withoutCrowds(plot as PlotlyElement), { format, width, height, scale }),
    );
  }
  const svg = plot.querySelector("svg")!;
  const markup = standalone(svg);
  if (format === "svg") return new Blob([markup], { type: "image/svg+xml" });
  return rasterised(markup, Number(svg.getAttribute("width")), Number(svg.getAttribute("height")));
}

/** Letters and digits of the figure's title, for a file name. */
function nameOf(plot: HTMLElement, sweep: string): string {
  const part =
    plot.id || [...plot.classList].find((name) => name === "scatter" || name === "contexts") || "figure";
  const more = [plot.dataset.base, plot.dataset.device].filter((text) => text !== undefined);
  return [sweep, part.replace(/-plot$/, ""), ...more]
    .join("-")
    .replace(/[^\w.-]+/g, "_")
    .slice(0, 100);
}

/**
 * Adds two buttons beside every figure, reachable by keyboard. Figures that have buttons are left unchanged.
 */
export function addSaveButtons(plotly: Plotly, store: Store): void {
  for (const plot of document.querySelectorAll<HTMLElement>("main .plot")) {
    if (plot.nextElementSibling?.classList.contains("save")) continue;
    const buttons = FORMATS.map((format) => {
      const label = `Save as ${format.toUpperCase()}: ${plot.getAttribute("aria-label") ?? "figure"}`;
      const button = make("button", { type: "button", "aria-label": label }, format.toUpperCase());
      button.addEventListener("click", async () => {
        if (plot.dataset.drawn === undefined) return;
        const address = URL.createObjectURL(await figureAs(format, plot, plotly));
        make("a", { href: address, download: `${nameOf(plot, store.view.sweep)}.${format}` }).click();
        setTimeout(() => URL.revokeObjectURL(address), 10_000);
      });
      return button;
    });
    plot.after(make("div", { class: "save interactive" }, ...buttons));
  }
}
