// The HTML report in a real browser, offline: what a reader sees and can do, and what hostile data cannot.
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { plotlySource } from "../../reports/assets.ts";
import { frontPoints, publishedOffFront } from "../../reports/front.ts";
import { renderHtml } from "../../reports/html.ts";
import type { ReportData } from "../../reports/model.ts";
import { launchBrowser, openReport, showScatters, watchedPage } from "../support/browser.ts";
import { browserProblem } from "../support/needs.ts";
import { hostileReportData, testReportData } from "../support/report-data.ts";

describe.skipIf(browserProblem() !== null)("report in Chromium", () => {
  let browser: Browser;
  const folder = mkdtempSync(join(tmpdir(), "edgefront-page-"));
  const options = { plotlySource: plotlySource() };
  const write = (name: string, data: ReportData): string => {
    const path = join(folder, `${name}.html`);
    writeFileSync(path, renderHtml(data, options));
    return path;
  };
  const data = testReportData();
  const normal = write("normal", data);
  beforeAll(async () => {
    browser = await launchBrowser();
  });
  afterAll(async () => {
    await browser.close();
    rmSync(folder, { recursive: true });
  });

  test("opens offline without a complaint or a request, under a policy that allows nothing from outside", async () => {
    const { page, complaints, requests } = await watchedPage(browser);
    await openReport(page, normal);
    await showScatters(page);
    const policy = await page.getAttribute("meta[http-equiv='Content-Security-Policy']", "content");
    expect(policy).toContain("default-src 'none'");
    expect(policy).not.toMatch(/https?:|\*|unsafe-eval|script-src[^;]*unsafe-inline/);
    const blocked = await page.evaluate("fetch('https://example.org/').then(() => 'sent', () => 'blocked')");
    expect(blocked).toBe("blocked");
    expect(requests.filter((url) => !/^(file|data|blob):/.test(url))).toEqual([]);
    expect(complaints.filter((text) => !text.includes("example.org"))).toEqual([]);
    await page.close();
  });

  test("draws a scatter for each device, and the hypervolume when it is scrolled to", async () => {
    const { page, complaints } = await watchedPage(browser);
    await openReport(page, normal);
    await showScatters(page);
    await expect.poll(() => page.locator(".scatter[data-drawn]").count()).toBe(3);
    expect(await page.locator("#hypervolume[data-drawn]").count()).toBe(0);
    await page.locator("#hypervolume").scrollIntoViewIfNeeded();
    await page.waitForSelector("#hypervolume[data-drawn] path.js-line");
    const measured = data.trials.filter((trial) => trial.metrics["ttftMs@1024:laptop"]).length;
    expect(await page.locator(".scatter >> nth=0 >> path.point").count()).toBe(measured + 1); // and the ring around the choice
    await expect.poll(() => page.locator(".scatter >> nth=0").textContent()).toContain("lfm2-350m");
    expect(complaints).toEqual([]);
    await page.close();
  });

  test("metrics over context, the timeline and the front's history are drawn from the same trials", async () => {
    const { page, complaints } = await watchedPage(browser);
    await openReport(page, normal);
    await page.locator("#contexts").scrollIntoViewIfNeeded();
    await expect.poll(() => page.locator(".contexts[data-drawn]").count()).toBeGreaterThanOrEqual(3);
    const lines = () => page.locator(".contexts >> nth=0 >> path.js-line").count();
    await expect
      .poll(lines)
      .toBe(frontPoints(data).length + publishedOffFront(data).filter((t) => t.state === "complete").length);
    const title = (panel: string) => page.locator(`.contexts${panel} .ytitle`).first().textContent();
    await expect.poll(() => title("[data-base=ttftMs]")).toBe("Time to first token, ms ↓");
    const point = (await page
      .locator(".contexts[data-base=ttftMs] >> nth=0 >> path.point")
      .first()
      .boundingBox())!;
    await page.mouse.click(point.x + point.width / 2, point.y + point.height / 2);
    expect(await page.locator("dialog[open] .metric:focus").getAttribute("data-metric")).toMatch(
      /^ttftMs@1024:/,
    );
    await page.keyboard.press("Escape");
    await page.locator("#context-metric").scrollIntoViewIfNeeded();
    await page.selectOption("#context-metric", "prefillTokensPerSecond");
    await expect.poll(() => title(":not([data-base])")).toBe("Prefill speed, tok/s ↑");
    expect(await page.locator(".contexts[data-drawn]").count()).toBe(9);

    await page.locator("#evolution").scrollIntoViewIfNeeded();
    await page.waitForSelector("#evolution[data-drawn]");
    expect(await page.locator("#evolution rect.stays").count()).toBe(frontPoints(data).length);
    const gone = data.frontSpans!.filter(({ until }) => until !== null);
    expect(await page.locator("#evolution rect.gone").count()).toBe(
      Math.min(gone.length, 40 - frontPoints(data).length),
    );

    await page.locator("#timeline").scrollIntoViewIfNeeded();
    await page.waitForSelector("#timeline-plot[data-drawn]");
    expect(await page.locator("#timeline-plot rect.bar").count()).toBe(data.timeline!.length);
    const broken = data.timeline!.filter(({ ok }) => !ok).length;
    expect(await page.locator("#timeline-plot rect.broken").count()).toBe(broken);
    await page.locator("#timeline-plot rect.bar >> nth=3").click();
    expect(await page.locator("dialog[open]").count()).toBe(1);
    expect(complaints).toEqual([]);
    await page.close();
  });

  test("lineage: every layout of the front is a point; Enter opens it, a bound dims it", async () => {
    const { page, complaints } = await watchedPage(browser);
    await openReport(page, normal);
    await page.locator("#lineage").scrollIntoViewIfNeeded();
    await page.waitForSelector("#lineage-plot[data-drawn]");
    const front = frontPoints(data);
    const off = publishedOffFront(data);
    expect(await page.locator("#lineage-plot .node.front, #lineage-plot .node.published").count()).toBe(
      front.length + off.filter(({ onFront }) => !onFront).length,
    );
    const overlong = await page.evaluate(`(() => {
      const box = document.querySelector("#lineage-plot svg").getBoundingClientRect();
      return [...document.querySelectorAll("#lineage-plot text")].filter((t) => t.getBoundingClientRect().right > box.right + 1).length;
    })()`);
    expect(overlong).toBe(0);
    const point = page.locator("#lineage-plot .node.front >> nth=0");
    await point.focus();
    await page.keyboard.press("Enter");
    await expect.poll(() => page.locator("dialog[open] h2").textContent()).toMatch(/^F\d+ · l1-/);
    await page.keyboard.press("Escape");
    await page.locator("#bounds input >> nth=0").press("End");
    await expect.poll(() => page.locator("#lineage-plot .node.out").count()).toBeGreaterThan(0);
    // Neighbours: one row fewer than there are layouts on the front.
    expect(await page.locator("#lineage tbody tr").count()).toBe(front.length - 1);
    expect(complaints).toEqual([]);
    await page.close();
  });

  test("the runner-up is reached by single edits; steps that were measured open", async () => {
    const [a, b] = [data.trials.find(({ onFront }) => onFront)!, data.trials[0]!];
    const tokens = a.pattern.split(" ");
    const near = (n: number): string =>
      tokens.map((t, layer) => (layer < n ? (t === "c3" ? "c4" : "c3") : t)).join(" ");
    const best = { ...a.metrics["recall.accuracy"]!, value: 0.999 };
    const second = { ...best, value: 0.998 };
    const clone = (number: number, pattern: string, metric: typeof best, onFront: boolean) => ({
      ...a,
      number,
      id: `l1-clone${number}`,
      pattern,
      onFront,
      published: null,
      metrics: { ...a.metrics, "recall.accuracy": metric },
    });
    const n = data.trials.length;
    const made = [
      clone(n, near(0), best, true),
      clone(n + 1, near(2), second, true),
      clone(n + 2, near(1), { ...best, value: 0.5 }, false),
    ];
    const { page, complaints } = await watchedPage(browser);
    await openReport(
      page,
      write("path", { ...data, trials: [...data.trials.filter((t) => t !== a && t !== b), ...made] }),
    );
    expect(await page.locator("#answer .runner-up").textContent()).toMatch(/l1-clone61 2 single edits away:/);
    const steps = page.locator("#answer .path li");
    expect(await steps.count()).toBe(2);
    expect(await steps.first().textContent()).toMatch(/^layer 0 \S+ → c[34] l1-clone62 [\d.]+ ms$/);
    await steps.first().locator("button").click();
    expect(await page.locator("dialog[open]").count()).toBe(1);
    expect(complaints).toEqual([]);
    await page.close();
  });

  test("every figure is saved as SVG and PNG that stand by themselves", async () => {
    const { page, complaints } = await watchedPage(browser);
    await openReport(page, normal);
    const saved = async (plot: string, format: string): Promise<Buffer> => {
      await page.locator(plot).first().scrollIntoViewIfNeeded();
      await page.waitForSelector(`${plot}[data-drawn]`);
      const button = page.locator(`${plot} + .save button`).filter({ hasText: format }).first();
      const [download] = await Promise.all([page.waitForEvent("download"), button.press("Enter")]);
      expect(download.suggestedFilename()).toMatch(/^test-hybrids-350m-[\w.-]+\.(svg|png)$/);
      return readFileSync(await download.path());
    };
    for (const plot of [".scatter", "#parallel", "#lineage-plot", "#evolution", "#timeline-plot"]) {
      const svg = (await saved(plot, "SVG")).toString();
      expect(svg).toMatch(/^<svg[^>]* xmlns="http:\/\/www\.w3\.org\/2000\/svg"/);
      expect(svg).not.toMatch(/<script|var\(--|href="http/);
      const png = await saved(plot, "PNG");
      expect(png.subarray(1, 4).toString()).toBe("PNG");
      const [width, height] = [png.readUInt32BE(16), png.readUInt32BE(20)];
      expect(width).toBeGreaterThan(600);
      expect(height).toBeGreaterThan(100);
      // A page with nothing but the SVG draws it at its size.
      const size = await page.evaluate<number[]>(
        `new Promise((resolve, reject) => { const i = new Image(); i.onload = () => resolve([i.width, i.height]); i.onerror = reject; i.src = "data:image/svg+xml;base64,${Buffer.from(svg).toString("base64")}"; })`,
      );
      expect(size.map((n) => n * 2)).toEqual([width, height]);
    }
    expect(complaints).toEqual([]);
    await page.close();
  });

  test("axes are chosen by keyboard and hold for every device; hovering shows the layout", async () => {
    const { page } = await watchedPage(browser);
    await openReport(page, normal);
    await showScatters(page);
    await page.focus("#axis-y");
    await page.keyboard.type("Peak");
    await expect
      .poll(() => page.locator(".scatter .ytitle").allTextContents())
      .toEqual(["Peak memory, MB ↓", "Peak memory, MB ↓", "Peak memory, MB (emulated) ↓"]);
    await page.locator(".scatter >> nth=0 >> .trace >> nth=-3 >> path.point >> nth=2").hover({ force: true });
    await expect
      .poll(() => page.locator(".hoverlayer").first().textContent())
      .toMatch(/l1-[0-9a-f]+c\d .*Recall accuracy: 0\.\d+/s);
    await page.close();
  });

  test("every front layout has its picture, its values and their range", async () => {
    const { page } = await watchedPage(browser);
    await openReport(page, normal);
    const rows = frontPoints(data).length + publishedOffFront(data).length;
    expect(await page.locator(".layouts svg.strip").count()).toBe(rows);
    expect(await page.locator("#table tbody tr").count()).toBe(rows);
    expect(await page.locator(".layouts li >> nth=0 >> svg.strip > g").count()).toBe(16);
    expect(await page.locator("#table tbody td >> nth=0").textContent()).toMatch(/ ms.*–.* ms · n 5$/);
    expect(await page.locator("#table thead .tag.warn").count()).toBeGreaterThan(0);
    await page.close();
  });

  test("sliders and rule name a layout by keyboard, every view follows, and clearing undoes it", async () => {
    const { page, complaints } = await watchedPage(browser);
    await openReport(page, normal);
    await showScatters(page);
    const verdict = page.locator("#answer .verdict");
    const before = await verdict.textContent();
    const front = frontPoints(data).length;
    expect(before).toContain(`of ${front} within`);
    await page.locator("#bounds input >> nth=0").focus();
    for (let press = 0; press < 6; press++) await page.keyboard.press("PageUp");
    await expect
      .poll(() => page.locator("#bounds output >> nth=0").textContent())
      .toMatch(/^at most \d+ ms$/);
    await expect.poll(() => page.locator(".layouts li.out").count()).toBeGreaterThan(0);
    const left = Number((await verdict.textContent())!.match(/of (\d+)/)![1]);
    expect(left).toBeLessThan(front);
    expect(
      await page.locator("#parallel path.front.out, #parallel path.published.out").count(),
    ).toBeGreaterThan(0);
    expect(await page.locator(".layouts li.chosen").count()).toBe(1);
    for (const figure of ["#evolution", "#timeline-plot"]) {
      await page.locator(figure).scrollIntoViewIfNeeded();
      await expect.poll(() => page.locator(`${figure} .bar.out`).count()).toBeGreaterThan(0);
      expect(await page.locator(`${figure} .bar:not(.out)`).count()).toBeGreaterThan(0);
    }
    await page.locator("#bounds input >> nth=0").press("End");
    for (const bound of [1, 2, 3]) await page.locator(`#bounds input >> nth=${bound}`).press("End");
    await expect.poll(() => verdict.textContent()).toBe("No layout on the front is within these bounds.");
    await page.click("#reset");
    await expect.poll(() => verdict.textContent()).toBe(before);
    // The rows follow with the next frame.
    await expect.poll(() => page.locator(".layouts li.out").count()).toBe(0);
    expect(complaints).toEqual([]);
    await page.close();
  });

  test("dragging over points selects them in every view", async () => {
    const { page } = await watchedPage(browser, { height: 1800 });
    await openReport(page, normal);
    await showScatters(page);
    await page.locator(".scatter").first().scrollIntoViewIfNeeded();
    // Everything near is drawn before the mouse goes down: a drag across drawing figures would be lost.
    await expect.poll(() => page.locator(".scatter[data-drawn]").count()).toBe(3);
    await expect.poll(() => page.locator(".contexts[data-drawn]").count()).toBeGreaterThan(2);
    await page.waitForTimeout(300);
    const box = (await page.locator(".scatter >> nth=0 >> .nsewdrag").first().boundingBox())!;
    await page.mouse.move(box.x + 2, box.y + box.height * 0.5);
    await page.mouse.down();
    await page.mouse.move(box.x + box.width * 0.6, box.y + box.height - 2, { steps: 5 });
    await page.mouse.up();
    await expect.poll(() => page.locator(".layouts li.out").count()).toBeGreaterThan(0);
    expect(await page.locator(".layouts li:not(.out)").count()).toBeGreaterThan(0);
    await page.close();
  });

  test("any number opens its raw samples and what they rest on; Escape returns", async () => {
    const { page, complaints } = await watchedPage(browser);
    await openReport(page, normal);
    const cell = page.locator("#table tbody tr >> nth=0 >> button.number >> nth=1");
    await cell.focus();
    await page.keyboard.press("Enter");
    const point = frontPoints(data)[0]!.trial;
    const name = "decodeTokensPerSecond@4096:laptop";
    const metric = page.locator(`dialog[open] .metric[data-metric="${name}"]`);
    await expect.poll(() => metric.locator("circle").count()).toBe(5);
    const first = Number(point.metrics[name]!.samples[0]!.toPrecision(4));
    expect(await metric.locator(".samples").textContent()).toContain(String(first));
    expect(await metric.textContent()).toContain("isa avx2");
    await page.keyboard.press("Escape");
    expect(await page.locator("dialog[open]").count()).toBe(0);
    expect(await cell.evaluate((element) => element.matches(":focus"))).toBe(true);
    for (const place of ["#answer td", ".layouts li >> nth=1", "#lineage tbody tr >> nth=0"]) {
      const number = page.locator(`${place} >> button.number`).last();
      await number.click();
      const shown = page.locator("dialog[open] .metric:focus");
      expect(await shown.getAttribute("data-metric")).toBe(await number.getAttribute("data-metric"));
      expect(await shown.locator("b").textContent()).toBe(await number.textContent());
      await page.keyboard.press("Escape");
    }
    expect(complaints).toEqual([]);
    await page.close();
  });

  test("a colour scheme change restyles the plots", async () => {
    const { page } = await watchedPage(browser);
    await openReport(page, normal);
    const tick = page.locator(".scatter >> nth=0 >> .xtick text >> nth=0");
    const ink = () =>
      tick.evaluate((element) => (element as unknown as { style: { fill: string } }).style.fill);
    await showScatters(page);
    const light = await ink();
    await page.emulateMedia({ colorScheme: "dark" });
    await expect.poll(ink).not.toBe(light);
    await page.close();
  });

  test.each([1280, 390])(
    "printed from a dark window of %i px: the decision, nothing cut, ink on white",
    async (width) => {
      const { page, complaints } = await watchedPage(browser, { width, dark: true });
      await openReport(page, normal);
      await page.emulateMedia({ media: "print", colorScheme: "dark" });
      await page.evaluate("dispatchEvent(new Event('beforeprint'))");
      await expect.poll(() => page.locator("main .plot:not([data-drawn])").count()).toBe(0);
      const { cut, ink, hidden } = await page.evaluate<{
        cut: string[];
        ink: string;
        hidden: number;
      }>(`(() => {
      const sheet = document.querySelector("main").getBoundingClientRect();
      const cut = [...document.querySelectorAll("main svg, main table, main p, #answer *")].filter((element) => {
        const { width, right } = element.getBoundingClientRect();
        return width > 0 && right > sheet.right + 1;
      });
      const answer = document.querySelector("#answer");
      return {
        cut: cut.map((element) => element.tagName + " " + element.textContent.slice(0, 40)),
        ink: getComputedStyle(document.querySelector(".scatter .xtick text")).fill,
        hidden: answer.scrollHeight - answer.clientHeight,
      };
    })()`);
      expect(cut).toEqual([]);
      expect(ink).toBe("rgb(92, 102, 112)");
      expect(hidden).toBeLessThanOrEqual(0);
      expect(await page.locator("#answer .runner-up").isVisible()).toBe(true);
      await page.evaluate("dispatchEvent(new Event('afterprint'))");
      expect(await page.getAttribute("html", "data-print")).toBeNull();
      expect(complaints).toEqual([]);
      await page.close();
    },
  );

  test.each([1280, 390])("at %i px nothing overflows and nothing shifts while it loads", async (width) => {
    const { page } = await watchedPage(browser, { width });
    await page.addInitScript(
      "window.shift = 0; new PerformanceObserver((list) => { for (const e of list.getEntries()) window.shift += e.value; }).observe({ type: 'layout-shift', buffered: true });",
    );
    await openReport(page, normal);
    await showScatters(page);
    expect(await page.evaluate("document.documentElement.scrollWidth")).toBe(width);
    expect(await page.evaluate("window.shift")).toBeLessThan(0.01);
    await page.close();
  });

  test.each([1280, 390])("at %i px every axis title of the parallel coordinates is whole", async (width) => {
    const { page } = await watchedPage(browser, { width });
    await openReport(page, normal);
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
    await page.close();
  });

  test("hostile names, device output and notation stay text", async () => {
    const { page, complaints } = await watchedPage(browser);
    await openReport(page, write("hostile", hostileReportData()));
    await showScatters(page);
    for (const figure of await page
      .locator(".scatter path.point")
      .all()
      .then((all) => all.slice(0, 3)))
      await figure.hover({ force: true });
    await page.waitForTimeout(200);
    expect(await page.evaluate("window.pwned")).toBeUndefined();
    expect(await page.locator("img, body a[href^='http'], svg a").count()).toBe(0);
    expect(await page.locator("h1").textContent()).toContain("</script><script>");
    expect(complaints).toEqual([]);
    await page.close();
  });

  test("an unfinished sweep says so instead of showing nothing", async () => {
    const { page, complaints } = await watchedPage(browser);
    await openReport(page, write("empty", { ...data, trials: [], hypervolume: [], referencePoint: null }));
    await page.locator(".scatter").first().scrollIntoViewIfNeeded();
    await expect.poll(() => page.locator(".scatter .empty").count()).toBe(3);
    expect(complaints).toEqual([]);
    await page.close();
  });

  test("5,000 trials stay under 8 MB and open in under 3 s", { timeout: 240_000 }, async () => {
    const path = write("large", testReportData({ trials: 5000 }));
    expect(statSync(path).size).toBeLessThan(8e6);
    const { page, complaints } = await watchedPage(browser);
    const session = await page.context().newCDPSession(page);
    await session.send("Performance.enable");
    const start = performance.now();
    await openReport(page, path);
    await page.waitForSelector("#parallel[data-drawn]");
    const wall = performance.now() - start;
    const { metrics } = await session.send("Performance.getMetrics");
    // Processor time of the page's thread: the same on a machine that does other things as well.
    const seconds = metrics.find(({ name }) => name === "ThreadTime")!.value;
    console.log(
      `5,000 trials: ${(statSync(path).size / 1e6).toFixed(1)} MB, opened in ${Math.round(wall)} ms, ${seconds.toFixed(2)} s of processor time`,
    );
    expect(seconds).toBeGreaterThan(0);
    expect(seconds).toBeLessThan(3);
    expect(complaints).toEqual([]);
    await page.close();
  });
});
