// bench:page: opens a sweep of 100,000 trials in a real browser, as a live page and as a report file. The
// sweep is SYNTHETIC (test/support/large-sweep.ts): its layouts are real, its measurements made up. Prints
// one line per figure.
import { statSync } from "node:fs";
import { availableParallelism, cpus } from "node:os";
import { join } from "node:path";
import type { Browser, CDPSession, Page } from "playwright-core";
import { launchBrowser } from "../support/browser.ts";
import { runCli, startCli, temporaryFolder } from "../support/built-cli.ts";
import { LargeSweep } from "../support/large-sweep.ts";
import { optionsOf, wholeOf } from "../support/parse-args.ts";

const flags = optionsOf("bench:page [--trials 100000] [--json]", {
  trials: { type: "string", default: "100000" },
  json: { type: "boolean", default: false },
});
const trials = wholeOf("trials", flags.trials);
const folder = temporaryFolder();
const rows: { readonly name: string; readonly value: number; readonly unit: string }[] = [];
const note = (name: string, value: number, unit: string): void => {
  rows.push({ name, value, unit });
  if (!flags.json) console.log(`${name}: ${value < 10 ? value.toFixed(1) : Math.round(value)} ${unit}`);
};

/**
 * Milliseconds from `act` (run in the page) until the page has stopped changing, without the third of a
 * second of quiet that shows this.
 */
const settled = (page: Page, act: string): Promise<number> =>
  page.evaluate<number>(`(async () => {
    const start = performance.now();
    let last = start;
    const observer = new MutationObserver(() => { last = performance.now(); });
    observer.observe(document.body, { childList: true, subtree: true, attributes: true, characterData: true });
    ${act};
    while (performance.now() - last < 330) await new Promise((resolve) => setTimeout(resolve, 30));
    observer.disconnect();
    return last - start;
  })()`);

const FIRST_PAINT = `performance.getEntriesByName("first-contentful-paint")[0].startTime`;
const moveSlider = `(() => { const input = document.querySelector("#bounds input"); input.value = "120"; input.dispatchEvent(new Event("input")); })()`;

async function heapMegabytes(session: CDPSession): Promise<number> {
  await session.send("HeapProfiler.collectGarbage");
  const { metrics } = await session.send("Performance.getMetrics");
  return metrics.find(({ name }) => name === "JSHeapUsedSize")!.value / 1e6;
}

/** Opens an address and records the waiting times of a reader. */
async function read(browser: Browser, what: string, url: string): Promise<Page> {
  const page = await browser.newPage({ viewport: { width: 1280, height: 900 } });
  const session = await page.context().newCDPSession(page);
  await session.send("Performance.enable");
  await page.goto(url, { waitUntil: "commit", timeout: 120_000 });
  await page.waitForSelector("html[data-ready]", { timeout: 120_000 });
  const [paint, ready] = await page.evaluate<[number, number]>(`[${FIRST_PAINT}, performance.now()]`);
  note(`${what}: first paint`, paint, "ms");
  note(`${what}: everything answers`, ready, "ms");
  note(`${what}: a bound moved, all views in sight`, await settled(page, moveSlider), "ms");
  await page.locator(".scatter").first().scrollIntoViewIfNeeded();
  await page.waitForSelector(".scatter[data-drawn]");
  note(
    `${what}: a bound cleared, with the scatter`,
    await settled(page, `document.querySelector("#reset").click()`),
    "ms",
  );
  note(`${what}: JavaScript heap`, await heapMegabytes(session), "MB");
  return page;
}

try {
  const large = new LargeSweep(folder.path);
  large.add(trials);
  const browser = await launchBrowser();

  const ui = startCli(["ui", "synthetic", "--port", "0", "--json"], folder.path);
  const url = await new Promise<string>((resolve) =>
    ui.child.stdout!.once("data", (text: string) => resolve((JSON.parse(text) as { url: string }).url)),
  );
  const page = await read(browser, "followed page", `${url}sweeps/synthetic`);
  const followed = await page.evaluate<number>(
    `performance.getEntriesByType("navigation")[0].encodedBodySize`,
  );
  note("followed page: size", followed / 1e6, "MB");
  await page.reload();
  await page.waitForSelector("html[data-ready]");
  note("followed page, opened again: first paint", await page.evaluate<number>(FIRST_PAINT), "ms");
  await page.locator("#trials").scrollIntoViewIfNeeded();
  await page.waitForSelector("#every-trial tbody tr");
  const choose = (id: string, index: number) =>
    settled(
      page,
      `(() => { const s = document.querySelector("#${id}"); s.selectedIndex = ${index}; s.dispatchEvent(new Event("change")); })()`,
    );
  note("followed page: all trials, failed ones", await choose("trials-state", 3), "ms");
  note("followed page: all trials, best first", await choose("trials-sort", 1), "ms");
  const shown = page.locator(".facts div:nth-child(5) dd");
  const start = performance.now();
  large.add(1);
  while (Number(await shown.textContent()) <= trials) await new Promise((resolve) => setTimeout(resolve, 20));
  note("followed page: one more trial is shown after", performance.now() - start, "ms");
  await page.close();
  ui.child.kill("SIGINT");
  await ui.finished;

  const began = performance.now();
  const { code, stderr } = await runCli(
    ["report", "synthetic", "--format", "html", "--out", "report.html"],
    folder.path,
  );
  if (code !== 0) throw new Error(stderr);
  note("report file: written in", (performance.now() - began) / 1000, "s");
  const file = join(folder.path, "report.html");
  note("report file: size", statSync(file).size / 1e6, "MB");
  await (await read(browser, "report file", `file://${file}`)).close();
  await browser.close();
  large.close();
  const machine = `${cpus()[0]?.model ?? "unknown"}, ${availableParallelism()} CPUs, Node ${process.version}, ${trials} synthetic trials`;
  if (flags.json) console.log(JSON.stringify({ machine, rows }, null, 2));
  else console.log(machine);
} finally {
  folder.remove();
}
