// Small DOM constructors. Text is inserted as text, never as markup.

export const byId = <T extends HTMLElement>(id: string): T => document.getElementById(id) as T;

type Child = Node | string;

/** Returns an HTML element with attributes and children. */
export function make<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Readonly<Record<string, string>> = {},
  ...children: readonly Child[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

/** Returns an SVG element with attributes. */
export function makeSvg(tag: string, attributes: Readonly<Record<string, string | number>>): SVGElement {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, String(value));
  return element;
}

/** Returns a text of a drawing, at a place in pixels. */
export function svgText(content: string, x: number, y: number, type: string): SVGElement {
  const node = makeSvg("text", { x, y, class: type });
  node.textContent = content;
  return node;
}

/**
 * Makes a part of a drawing a button: it shows its text when pointed at and opens a trial. Arrow keys reach
 * it (keys.ts).
 */
export function opening<T extends SVGElement>(part: T, trial: number | undefined, text: string): T {
  const title = makeSvg("title", {});
  title.textContent = text;
  part.append(title);
  if (trial === undefined) return part;
  const attributes = { "data-open": trial, tabindex: -1, role: "button", "aria-label": text };
  for (const [name, value] of Object.entries(attributes)) part.setAttribute(name, String(value));
  return part;
}

/** A five-pointed star around the origin, the mark of published layouts. */
export const STAR = "M0-8 2-2.6 7.6-2.5 3.1 1 4.7 6.5 0 3.3-4.7 6.5-3.1 1-7.6-2.5-2-2.6Z";
