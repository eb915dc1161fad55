// The page's main element: its sections in reading order. A live page keeps expensive sections while their
// inputs are unchanged.
import { frontPoints, publishedOffFront } from "../front.ts";
import type { ReportData } from "../report-model.ts";
import { type Html, html } from "../text.ts";
import * as analysis from "./analysis.ts";
import { confirmedSection } from "./confirmed.ts";
import * as fronts from "./front-sections.ts";
import * as plots from "./plot-sections.ts";
import * as sections from "./sections.ts";

/** A section's key and its markup. */
export type Section = readonly [key: string, markup: string];

/** Expensive sections from their last rendering, with a key of their inputs. */
export type Kept = Map<string, { readonly on: string; readonly made: Html | null }>;

export interface SectionOptions {
  /** Includes the sections that need a server. */
  readonly live: boolean;
  readonly kept?: Kept;
  /** False: kept statistics may lag by up to 2% of the trials. */
  readonly exact?: boolean;
}

type Part = readonly [id: string, title: string, make: () => Html | null, restsOn?: string | undefined];

/** Returns a key that changes with every complete trial or, if not exact, with every 2% more of them. */
function growth({ trials }: ReportData, exact: boolean): string {
  const complete = trials.reduce((count, { state }) => count + Number(state === "complete"), 0);
  return String(exact ? complete : Math.floor(Math.log(1 + complete) / Math.log(1.02)));
}

function frontOf(data: ReportData): string {
  const numbers = [...frontPoints(data).map(({ trial }) => trial), ...publishedOffFront(data)];
  return [
    ...numbers.map(({ number }) => number),
    ...data.devices.map(({ name, emulated }) => name + emulated),
  ].join();
}

/** Returns the page's sections in reading order. Sections without content are left out. */
export function sectionsOf(
  data: ReportData,
  { live, kept, exact = true }: SectionOptions,
): readonly Section[] {
  const [front, size] = kept === undefined ? [] : [frontOf(data), growth(data, exact)];
  const parts: readonly Part[] = [
    ["decide", "Decide", () => sections.decisionSection(data)],
    ["confirmed", "Confirmed", () => confirmedSection(data)],
    ["pareto", "Trade-offs", () => plots.scatterSection(data)],
    ["contexts", "Context", () => plots.contextsSection(data)],
    ["layouts", "Layouts", () => fronts.layoutsSection(data), front],
    ["table", "Values", () => fronts.tableSection(data), front],
    ["findings", "Findings", () => sections.findingsSection(data)],
    ["importance", "Importance", () => analysis.importanceSection(data), size],
    ["agreement", "Devices agree", () => analysis.agreementSection(data), size],
    ["lineage", "Lineage", () => analysis.lineageSection(data), front],
    ["progress", "Progress", () => plots.hypervolumeSection(data)],
    ["timeline", "Timeline", () => plots.timelineSection(data)],
    ["trials", "All trials", () => (live ? sections.trialsSection() : null)],
    ["outcomes", "Without result", () => sections.outcomesSection(data)],
    ["budgets", "Budgets", () => sections.budgetsSection(data)],
    ["devices", "Devices", () => sections.devicesSection(data)],
    ["provenance", "Configuration", () => sections.provenanceSection(data)],
  ];
  const shown = parts.flatMap(([id, title, make, on]) => {
    const before = on === undefined ? undefined : kept?.get(id);
    const made = before !== undefined && before.on === on ? before.made : make();
    if (on !== undefined) kept?.set(id, { on, made });
    return made === null ? [] : [{ id, title, markup: made.text }];
  });
  const nav = html`<nav aria-label="Sections">${shown.map(({ id, title }) => html`<a href="#${id}">${title}</a>`)}</nav>`;
  return [
    ["HEADER", sections.header(data).text],
    ["NAV", nav.text],
    ...shown.map(({ id, markup }): Section => [id, markup]),
  ];
}
