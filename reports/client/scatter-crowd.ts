// Draws the many marks of a dense trade-off as one path per kind, because 5,000 elements would be slow to lay
// out. plotly.js keeps their points, for hovering, selecting and zooming, but draws none of them.
import { makeSvg } from "./dom.ts";
import type { Store } from "./page-selection.ts";
import type { Plotly, PlotlyElement } from "./plotly.ts";
import { type Crowd, GREYED_OUT, type Group, type Panel } from "./scatter-points.ts";

/** Half the size of a mark, in pixels. */
const HALF = 2;

/** SVG path data of each mark, relative to its place. */
const SHAPES: Readonly<Record<Crowd["shape"], string>> = {
  circle: `m${-HALF},0a${HALF},${HALF} 0 1,0 ${2 * HALF},0a${HALF},${HALF} 0 1,0 ${-2 * HALF},0`,
  cross: `m${-HALF},${-HALF}l${2 * HALF},${2 * HALF}m0,${-2 * HALF}l${-2 * HALF},${2 * HALF}`,
};

/** Draws the crowds of a panel below its other marks, on the axes that plotly.js has already placed. */
export function drawCrowds(plot: PlotlyElement, panel: Panel, all: readonly Group[], store: Store): void {
  const layer = plot.querySelector(".plot .scatterlayer");
  if (layer === null) return;
  for (const old of layer.querySelectorAll(":scope > .crowd")) old.remove();
  const { xaxis, yaxis } = plot._fullLayout;
  const place = (index: number): string => {
    const [x, y] = [xaxis.l2p(panel.xs[index]!), yaxis.l2p(panel.ys[index]!)];
    const inside = x >= 0 && x <= xaxis._length && y >= 0 && y <= yaxis._length;
    return inside ? `M${x.toFixed(1)},${y.toFixed(1)}` : "";
  };
  const paths = all.flatMap(({ crowd, indices }) => {
    if (crowd === undefined) return [];
    return [false, true].flatMap((admitted) => {
      const places = indices
        .filter((index) => panel.measured(index) && (!store.filtering || store.admits(index)) === admitted)
        .map(place);
      const d = places.map((at) => (at === "" ? "" : at + SHAPES[crowd.shape])).join("");
      const opacity = admitted ? 1 : GREYED_OUT;
      return d === ""
        ? []
        : [makeSvg("path", { d, class: "crowd", fill: "none", stroke: crowd.colour, opacity })];
    });
  });
  layer.prepend(...paths);
}

/** Returns the same figure with every mark drawn by plotly.js, for a file of its own. */
export const withoutCrowds = ({ data, layout }: PlotlyElement): Parameters<Plotly["toImage"]>[0] => ({
  data: data.map((trace) => ({ ...trace, marker: { ...(trace.marker as object), maxdisplayed: 0 } })),
  layout,
});
