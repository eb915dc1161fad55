// Reports in a browser for tests: files written for a test file, and one Chromium for all its tests. They
// share one page of the usual report, because opening one takes seconds. Each test restores the page: bounds
// cleared, dialog closed.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Browser, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, expect } from "vitest";
import { plotly } from "../../reports/assets.ts";
import { renderHtml } from "../../reports/html.ts";
import type { ReportData } from "../../reports/report-model.ts";
import { launchBrowser, openReport, type Watched, type WatchOptions, watchedPage } from "./browser.ts";
import { testReportData } from "./report-data.ts";

export interface ReportPages {
  readonly data: ReportData;
  /** The shared page. */
  readonly page: Page;
  readonly watched: Watched;
  /** The usual report, as a file. */
  readonly file: string;
  write(name: string, data: ReportData): string;
  /** Opens a page of its own, closed after the test. The caller checks its complaints. */
  open(options?: WatchOptions, path?: string, prepare?: (page: Page) => Promise<unknown>): Promise<Watched>;
}

/** Registers hooks; call it within a `describe`. The returned values exist once the tests run. */
export function reportPages(): ReportPages {
  const data = testReportData();
  const folder = mkdtempSync(join(tmpdir(), "edgefront-page-"));
  const options = { plotly: plotly() };
  const write = (name: string, some: ReportData): string => {
    const path = join(folder, `${name}.html`);
    writeFileSync(path, renderHtml(some, options));
    return path;
  };
  const file = join(folder, "usual.html");
  let browser: Browser;
  let shared: Watched;
  const own: Page[] = [];
  beforeAll(async () => {
    write("usual", data);
    browser = await launchBrowser();
    shared = await watchedPage(browser);
    await openReport(shared.page, file);
  });
  afterEach(async () => {
    for (const page of own.splice(0)) await page.close();
    expect(shared.complaints).toEqual([]);
  });
  afterAll(async () => {
    await browser?.close();
    rmSync(folder, { recursive: true });
  });
  return {
    data,
    file,
    get page() {
      return shared.page;
    },
    get watched() {
      return shared;
    },
    write,
    open: async (watch = {}, path = file, prepare) => {
      const watched = await watchedPage(browser, watch);
      own.push(watched.page);
      await prepare?.(watched.page);
      await openReport(watched.page, path);
      return watched;
    },
  };
}

/** Scrolls to a figure and waits until it is drawn. */
export async function showFigure(page: Page, selector: string): Promise<void> {
  await page.locator(selector).first().scrollIntoViewIfNeeded();
  await page.locator(`${selector}[data-drawn]`).first().waitFor();
}
