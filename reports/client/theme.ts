// Colours and fonts of the plots, read from the page's style, so that both change together between light,
// dark and print.

export interface Theme {
  readonly ink: string;
  readonly soft: string;
  readonly line: string;
  readonly panel: string;
  readonly front: string;
  readonly other: string;
  readonly out: string;
  readonly star: string;
}

/** Returns the colours and fonts of the page's present style. */
export function currentTheme(): Theme {
  const style = getComputedStyle(document.documentElement);
  const colour = (name: string): string => style.getPropertyValue(`--${name}`).trim();
  return {
    ink: colour("ink"),
    soft: colour("soft"),
    line: colour("line"),
    panel: colour("panel"),
    front: colour("front"),
    other: colour("other"),
    out: colour("out"),
    star: colour("star"),
  };
}

/**
 * Returns the layout that every plot starts from. The size is the element's present one, because plotly.js
 * alone would keep its old size.
 */
export function baseLayout(
  theme: Theme,
  { clientWidth, clientHeight }: HTMLElement,
): Record<string, unknown> {
  return {
    width: clientWidth,
    height: clientHeight,
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)",
    font: { family: getComputedStyle(document.body).fontFamily, size: 12, color: theme.soft },
    margin: { l: 58, r: 14, t: 10, b: 48 },
    showlegend: false,
    hovermode: "closest",
    dragmode: "zoom",
    hoverlabel: {
      bgcolor: theme.panel,
      bordercolor: theme.line,
      font: { color: theme.ink, size: 12 },
      align: "left",
    },
    modebar: { bgcolor: "rgba(0,0,0,0)", color: theme.soft, activecolor: theme.ink },
  };
}

/** Returns the settings that every axis starts from. */
export function axis(theme: Theme, title: string): Record<string, unknown> {
  return {
    title: { text: title, font: { size: 12, color: theme.soft }, standoff: 8 },
    gridcolor: theme.line,
    linecolor: theme.line,
    zeroline: false,
    ticks: "",
    automargin: true,
    exponentformat: "none",
    separatethousands: true,
  };
}
