// Building blocks of the page's sections.
import { formatValue } from "../format.ts";
import type { ReportMetric } from "../report-model.ts";
import { type Html, html } from "../text.ts";

export const emulatedTag = html` <span class="tag warn">emulated</span>`;

/**
 * Returns a button with a measured value, which opens its raw samples. Its trial is the nearest `data-trial`
 * around it.
 */
export const numberButton = (name: string, { value, unit }: ReportMetric): Html =>
  html`<button type="button" class="number" data-metric="${name}">${formatValue(value, unit)}</button>`;

/** Returns a section with a title, a lead and a body. */
export const section = (id: string, title: string, lead: Html | string, body: Html): Html =>
  html`<section id="${id}" aria-labelledby="${id}-title"><h2 id="${id}-title">${title}</h2>${lead === "" ? null : html`<p class="lead">${lead}</p>`}${body}</section>`;

/** Returns a wide table in its own scrolling box, reachable by keyboard. */
export const scroller = (label: string, body: Html): Html =>
  html`<div class="scroll" role="region" aria-label="${label}" tabindex="0">${body}</div>`;
