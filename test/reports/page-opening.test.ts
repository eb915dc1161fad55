// The report opens in a real browser: offline, under its policy, with any data, complete on any screen, and
// quickly.
import { readFileSync, statSync } from "node:fs";
import type { CDPSession } from "playwright-core";
import { describe, expect, test } from "vitest";
import { showScatters } from "../support/browser.ts";
import { browserProblem } from "../support/needs.ts";
import { hostileReportData, testReportData } from "../support/report-data.ts";
import { reportPages } from "../support/report-page.ts";

describe.skipIf(browserProblem() !== null)("a report that is opened", () => {
  const pages = reportPages();

  test("opens offline without a complaint or a request, under a policy that allows nothing from outside", async () => {
    const { page, complaints, requests } = await pages.open();
    await showScatters(page);
    const policy = await page.getAttribute("meta[http-equiv='Content-Security-Policy']", "content");
    expect(policy).toContain("default-src 'none'");
    expect(policy).not.toMatch(/https?:|\*|unsafe-eval|script-src[^;]*unsafe-inline/);
    const blocked = await page.evaluate("fetch('https://example.org/').then(() => 'sent', () => 'blocked')");
    expect(blocked).toBe("blocked");
    expect(requests.filter((url) => !/^(file|data|blob):/.test(url))).toEqual([]);
    expect(complaints.filter((text) => !text.includes("example.org"))).toEqual([]);
  });

  test("hostile names, device output and notation stay text", async () => {
    const { page, complaints } = await pages.open({}, pages.write("hostile", hostileReportData()));
    await showScatters(page);
    for (const point of (await page.locator(".scatter path.point").all()).slice(0, 3))
      await point.hover({ force: true });
    await page.locator(".scatter").first().focus();
    await page.keyboard.press("ArrowRight");
    await expect.poll(() => page.locator(".said").textContent()).not.toBe("");
    expect(await page.evaluate("window.pwned")).toBeUndefined();
    expect(await page.locator("img, body a[href^='http'], svg a").count()).toBe(0);
    expect(await page.locator("h1").textContent()).toContain("</script><script>");
    expect(complaints).toEqual([]);
  });

  test("an unfinished sweep says so instead of showing nothing", async () => {
    const empty = { ...pages.data, trials: [], hypervolume: [], referencePoint: null };
    const { page, complaints } = await pages.open({}, pages.write("empty", empty));
    await page.locator(".scatter").first().scrollIntoViewIfNeeded();
    await expect.poll(() => page.locator(".scatter .empty").count()).toBe(3);
    expect(complaints).toEqual([]);
  });

  test.each([1280, 390])(
    "at %i px nothing overflows, nothing is cut, nothing shifts while it loads",
    async (width) => {
      const { page, complaints } = await pages.open({ width }, undefined, (fresh) =>
        fresh.addInitScript(
          "window.shift = 0; new PerformanceObserver((list) => { for (const e of list.getEntries()) window.shift += e.value; }).observe({ type: 'layout-shift', buffered: true });",
        ),
      );
      await showScatters(page);
      expect(await page.evaluate("document.documentElement.scrollWidth")).toBe(width);
      expect(await page.evaluate("window.shift")).toBeLessThan(0.01);
      // Every axis title of the parallel coordinates is complete, and none overlaps another.
      await page.locator("#parallel").scrollIntoViewIfNeeded();
      await page.waitForSelector("#parallel[data-drawn]");
      const cut = await page.evaluate(`(() => {
      const box = document.querySelector("#parallel svg").getBoundingClientRect();
      const texts = [...document.querySelectorAll("#parallel text")].map((t) => ({ t, b: t.getBoundingClientRect() }));
      const outside = texts.filter(({ b }) => b.left < box.left || b.right > box.right || b.top < box.top - 1);
      const names = texts.filter(({ t }) => t.classList.contains("name"));
      const over = names.filter(({ b }, n) => names.some(({ b: o }, m) => m !== n && Math.abs(o.y - b.y) < 6 && o.left < b.right && b.left < o.right));
      return [...outside, ...over].map(({ t }) => t.textContent);
    })()`);
      expect(cut).toEqual([]);
      // The decision sheet shows its content without a scroll bar.
      expect(
        await page.evaluate(
          "(({ scrollHeight, clientHeight }) => scrollHeight - clientHeight)(document.querySelector('#answer'))",
        ),
      ).toBeLessThanOrEqual(0);
      expect(complaints).toEqual([]);
    },
  );

  test("a dense trade-off draws its many marks as few elements, which are pointed at, dragged over and saved as before", async () => {
    const data = testReportData({ trials: 900 });
    const { page, complaints } = await pages.open({}, pages.write("dense", data));
    await showScatters(page);
    const plot = page.locator(".scatter >> nth=0");
    await plot.locator(".crowd").first().waitFor({ state: "attached" });
    expect(await plot.locator("path.point").count()).toBeLessThan(200);
    /** Number of marks drawn in paths of crowds; greyed out ones are counted separately. */
    const marks = async () => {
      const paths = await plot.locator(".crowd").all();
      const counts = { full: 0, grey: 0 };
      for (const path of paths)
        counts[(await path.getAttribute("opacity")) === "1" ? "full" : "grey"] +=
          (await path.getAttribute("d"))!.split("M").length - 1;
      return counts;
    };
    const crowd = data.trials.filter(
      ({ state, metrics }) =>
        ["complete", "infeasible"].includes(state) && metrics["ttftMs@1024:laptop"] !== undefined,
    ).length;
    const before = await marks();
    expect(before.grey).toBe(0);
    expect(before.full).toBeGreaterThan(crowd / 2);
    // The first mark of the crowd lies where its path begins.
    const box = (await plot.locator(".nsewdrag").first().boundingBox())!;
    const d = (await plot.locator(".crowd").first().getAttribute("d"))!;
    const [x, y] = /^M([\d.]+),([\d.]+)/.exec(d)!.slice(1).map(Number) as [number, number];
    await page.mouse.move(box.x + x, box.y + y);
    await expect.poll(() => plot.locator(".hoverlayer").textContent()).toMatch(/l1-[0-9a-f]+/);
    await page.mouse.move(box.x + 2, box.y + 2);
    await page.mouse.down();
    await page.mouse.move(box.x + box.width * 0.5, box.y + box.height - 2, { steps: 5 });
    await page.mouse.up();
    await expect.poll(async () => (await marks()).grey).toBeGreaterThan(0);
    const selected = await marks();
    expect(selected.full).toBeGreaterThan(0);
    expect(selected.full + selected.grey).toBe(before.full);
    const button = page.locator(".scatter + .save button").first();
    const [download] = await Promise.all([page.waitForEvent("download"), button.press("Enter")]);
    const svg = readFileSync(await download.path(), "utf8");
    const points = svg.match(/<path class="point[^>]*>/g)!;
    expect(points.length).toBeGreaterThanOrEqual(before.full);
    expect(points.filter((point) => point.includes("opacity: 0.12")).length).toBeGreaterThanOrEqual(
      selected.grey,
    );
    expect(complaints).toEqual([]);
  });

  test("5,000 trials stay under 8 MB and open in under 3 s", { timeout: 240_000 }, async () => {
    const path = pages.write("large", testReportData({ trials: 5000 }));
    expect(statSync(path).size).toBeLessThan(8e6);
    const start = performance.now();
    let session: CDPSession | undefined;
    const { page, complaints } = await pages.open({}, path, async (fresh) => {
      session = await fresh.context().newCDPSession(fresh);
      await session.send("Performance.enable");
    });
    await page.locator("#parallel").scrollIntoViewIfNeeded();
    await page.waitForSelector("#parallel[data-drawn]");
    const wall = performance.now() - start;
    const { metrics } = await session!.send("Performance.getMetrics");
    // Processor time of the page's thread, which other work on the machine hardly changes.
    const seconds = metrics.find(({ name }) => name === "ThreadTime")!.value;
    console.log(
      `5,000 trials: ${(statSync(path).size / 1e6).toFixed(1)} MB, opened in ${Math.round(wall)} ms, ${seconds.toFixed(2)} s of processor time`,
    );
    expect(seconds).toBeGreaterThan(0);
    expect(seconds).toBeLessThan(3);
    expect(complaints).toEqual([]);
  });
});
