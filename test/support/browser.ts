// A real Chromium for tests of pages, and a page that records all its complaints.
import { type Browser, chromium, type Page } from "playwright-core";

const ARGUMENTS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

/** Path of Chromium: $CHROMIUM, or the distribution's place. */
export const chromiumPath = process.env.CHROMIUM ?? "/usr/bin/chromium";

export const launchBrowser = (): Promise<Browser> =>
  chromium.launch({ executablePath: chromiumPath, args: ARGUMENTS });

export interface Watched {
  readonly page: Page;
  /** Console errors and warnings, uncaught errors, policy violations. */
  readonly complaints: string[];
  /** Every address that the page requested. */
  readonly requests: string[];
}

export interface WatchOptions {
  readonly width?: number;
  readonly height?: number;
  readonly dark?: boolean;
  readonly online?: boolean;
}

export async function watchedPage(browser: Browser, options: WatchOptions = {}): Promise<Watched> {
  const page = await browser.newPage({
    viewport: { width: options.width ?? 1280, height: options.height ?? 900 },
    colorScheme: options.dark ? "dark" : "light",
    reducedMotion: "reduce",
    offline: !options.online,
  });
  page.setDefaultTimeout(10_000);
  const complaints: string[] = [];
  const requests: string[] = [];
  page.on("console", (message) => {
    if (message.type() === "error" || message.type() === "warning") complaints.push(message.text());
  });
  page.on("pageerror", (error) => complaints.push(error.message));
  page.on("request", (request) => requests.push(request.url()));
  return { page, complaints, requests };
}

/** Opens a file and waits until its script has set everything up. */
export async function openReport(page: Page, path: string): Promise<void> {
  await page.goto(`file://${path}`);
  await page.waitForSelector("html[data-ready]", { timeout: 30_000 });
}

/** Scrolls to the scatters, because figures are drawn when they come near the window. */
export async function showScatters(page: Page): Promise<void> {
  await page.locator(".scatter").first().scrollIntoViewIfNeeded();
  await page.waitForSelector(".scatter[data-drawn]");
}
