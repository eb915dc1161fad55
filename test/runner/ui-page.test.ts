// The page of edgefront ui in Chromium: it follows a running sweep, and opens a large one.
import type { Browser } from "playwright-core";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { launchBrowser, watchedPage } from "../support/browser.ts";
import { LargeSweep } from "../support/large-sweep.ts";
import { browserProblem } from "../support/needs.ts";
import { writeTinySweep } from "../support/tiny-sweep.ts";
import { begin, end, finishTimes, folderNow, saying, start, startUi } from "../support/ui-server.ts";

describe.skipIf(browserProblem() !== null)("the page of a running sweep", { timeout: 120_000 }, () => {
  let browser: Browser;
  beforeAll(async () => {
    browser = await launchBrowser();
  });
  afterAll(() => browser.close());
  beforeEach(begin);
  afterEach(end);

  it("shows a finished trial within a second, keeps what the reader does, and complains about nothing", async () => {
    const config = writeTinySweep(folderNow(), {
      trials: 7,
      // Long enough that a fast machine still trains when the page has opened.
      steps: 8000,
      objectives: ["decodeP50Ms@32", "text.bitsPerByte"],
    });
    const sweep = start("sweep", config);
    await saying(sweep, "trial 0");
    const { url } = await startUi();
    const { page, complaints, requests } = await watchedPage(browser, { online: true });
    await page.goto(url, { timeout: 60_000 });
    await page.waitForSelector("html[data-ready]");
    expect(page.url()).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/sweeps\/tiny$/);
    // Times at which each number of complete trials first appeared on the page, by the same clock as the
    // database's.
    await page.evaluate(`(() => {
      window.seen = [];
      const note = () => {
        const count = Number(document.querySelector(".facts div:nth-child(2) dd").textContent);
        if (count !== window.seen.at(-1)?.count) window.seen.push({ count, at: Date.now() });
      };
      note();
      new MutationObserver(note).observe(document.querySelector("main"), { childList: true, subtree: true });
    })()`);
    const opened = await page.evaluate<number>("window.seen[0].at");

    // A bound set now, and the focus on its slider, are still present at the end.
    await page.locator("#bounds input >> nth=0").focus();
    for (let press = 0; press < 3; press++) await page.keyboard.press("ArrowRight");
    const bound = await page.locator("#bounds output >> nth=0").textContent();
    expect(bound).toMatch(/^at most /);
    await page.locator("#hypervolume").scrollIntoViewIfNeeded();
    await page.waitForSelector("#hypervolume[data-drawn]");
    const place = () =>
      page.evaluate<number>("document.querySelector('#hypervolume').getBoundingClientRect().top");
    const top = await place();

    expect((await sweep.finished).code).toBe(0);
    await expect
      .poll(() => page.locator("#live-status").textContent())
      .toBe("complete: 7 of 7 trials finished");
    expect(await page.locator("#bounds output >> nth=0").textContent()).toBe(bound);
    expect(await page.evaluate("document.activeElement.id")).toBe("bound-decodeP50Ms@32:local");
    // The viewed figure keeps its place, however much grows above it.
    expect(Math.abs((await place()) - top)).toBeLessThan(2);
    await page.locator(".scatter").first().scrollIntoViewIfNeeded();
    await expect.poll(() => page.locator(".scatter path.point").count()).toBeGreaterThanOrEqual(7);
    await page.locator("#timeline").scrollIntoViewIfNeeded();
    await expect.poll(() => page.locator("#timeline-plot rect.bar").count()).toBe(14);

    const seen = await page.evaluate<{ count: number; at: number }[]>("window.seen");
    const delays = finishTimes()
      .map((finished, n) => ({ finished, count: n + 1 }))
      .filter(({ finished }) => finished > opened)
      .map(({ finished, count }) => seen.find((entry) => entry.count >= count)!.at - finished);
    console.log(`shown after ${delays.join(", ")} ms`);
    expect(delays.length).toBeGreaterThan(2);
    expect(Math.max(...delays)).toBeLessThan(1000);
    expect(complaints).toEqual([]);
    const own = new URL(url).origin;
    expect(requests.filter((address) => !address.startsWith(own) && !/^(data|blob):/.test(address))).toEqual(
      [],
    );
    await page.close();
  });
});

describe.skipIf(browserProblem() !== null)("the page of a large sweep", { timeout: 120_000 }, () => {
  beforeEach(begin);
  afterEach(end);
  it("opens, shows new trials as they come, and any trial on demand", async () => {
    const large = new LargeSweep(folderNow());
    large.add(2600);
    const { url } = await startUi("synthetic");
    const browser = await launchBrowser();
    const { page, complaints } = await watchedPage(browser, { online: true });
    await page.goto(url, { timeout: 60_000 });
    await page.waitForSelector("html[data-ready]", { timeout: 30_000 });
    const proposed = () => page.locator(".facts div:nth-child(5) dd").textContent();
    expect(await proposed()).toBe("2600");
    await page.locator("#trials").scrollIntoViewIfNeeded();
    const count = page.locator("#trials-count");
    await expect.poll(() => count.textContent()).toBe("1–50 of 2,600");
    await page.selectOption("#trials-state", "failed");
    await expect.poll(() => count.textContent()).toMatch(/^1–50 of \d\d$/);
    await page.click("#trials-later");
    await expect.poll(() => count.textContent()).toMatch(/^51–\d\d of/);
    await page.selectOption("#trials-state", "complete");
    await page.selectOption("#trials-sort", { index: 1 });
    await expect.poll(() => count.textContent()).toMatch(/^1–50 of 2,\d{3}$/);
    await page.fill("#trials-find", "no such thing");
    await expect.poll(() => count.textContent()).toBe("No such trial.");
    await page.fill("#trials-find", "");
    await page.locator("#every-trial tbody button >> nth=0").click();
    await expect.poll(() => page.locator("dialog[open] .metric circle").count()).toBeGreaterThan(5);
    await page.keyboard.press("Escape");
    // Opens a number of a trial that the page does not hold, and the address of one, as comparisons link it.
    const focused = () => page.locator("dialog[open] .metric:focus").getAttribute("data-metric");
    await page.locator("#every-trial tbody button.number >> nth=1").click();
    await expect.poll(focused).toBe("text.bitsPerByte");
    await page.keyboard.press("Escape");
    await page.evaluate("location.hash = '#trial=1235&metric=ttftMs%4032%3Alocal'");
    await expect.poll(focused).toBe("ttftMs@32:local");
    await expect.poll(() => page.locator("dialog[open]").textContent()).toContain("Trial 1235 ");
    await page.keyboard.press("Escape");
    const before = performance.now();
    large.add(1);
    await expect.poll(proposed, { interval: 50, timeout: 10_000 }).toBe("2601");
    console.log(`2,600 trials: a new one was shown after ${Math.round(performance.now() - before)} ms`);
    expect(complaints).toEqual([]);
    await browser.close();
    large.close();
  });
});
