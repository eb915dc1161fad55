// Every figure of the report: its drawing of the data, and its reaction to pointing, the keyboard and saving.
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { frontPoints, publishedOffFront } from "../../reports/front.ts";
import { showScatters } from "../support/browser.ts";
import { browserProblem } from "../support/needs.ts";
import { reportPages, showFigure } from "../support/report-page.ts";

describe.skipIf(browserProblem() !== null)("figures", () => {
  const pages = reportPages();
  const { data } = pages;
  const front = frontPoints(data);
  const off = publishedOffFront(data);

  test("a scatter for each device, the hypervolume when it is scrolled to", async () => {
    const { page } = pages;
    await showScatters(page);
    await expect.poll(() => page.locator(".scatter[data-drawn]").count()).toBe(3);
    expect(await page.locator("#hypervolume[data-drawn]").count()).toBe(0);
    await page.locator("#hypervolume").scrollIntoViewIfNeeded();
    await page.waitForSelector("#hypervolume[data-drawn] path.js-line");
    const measured = data.trials.filter((trial) => trial.metrics["ttftMs@1024:laptop"]).length;
    expect(await page.locator(".scatter >> nth=0 >> path.point").count()).toBe(measured + 1); // plus the ring around the choice
    await expect.poll(() => page.locator(".scatter >> nth=0").textContent()).toContain("lfm2-350m");
    // A horizontal and a vertical whisker for each layout that is on the front or published.
    expect(await page.locator(".scatter >> nth=0 >> .errorbar").count()).toBe(front.length + off.length);
  });

  test("axes are chosen by keyboard and hold for every device; hovering shows the layout", async () => {
    const { page } = pages;
    await showScatters(page);
    const before = await page.inputValue("#axis-y");
    await page.focus("#axis-y");
    await page.keyboard.type("Peak");
    await expect
      .poll(() => page.locator(".scatter .ytitle").allTextContents())
      .toEqual(["Peak memory, MB ↓", "Peak memory, MB ↓", "Peak memory, MB (emulated) ↓"]);
    await page.locator(".scatter >> nth=0 >> .trace >> nth=-3 >> path.point >> nth=2").hover({ force: true });
    await expect
      .poll(() => page.locator(".hoverlayer").first().textContent())
      .toMatch(/l1-[0-9a-f]+c\d .*Recall accuracy: 0\.\d+/s);
    await page.selectOption("#axis-y", before);
  });

  test("metrics over context, the timeline and the front's history are drawn from the same trials", async () => {
    const { page } = pages;
    await page.locator("#contexts").scrollIntoViewIfNeeded();
    await expect.poll(() => page.locator(".contexts[data-drawn]").count()).toBeGreaterThanOrEqual(3);
    const lines = () => page.locator(".contexts >> nth=0 >> path.js-line").count();
    await expect.poll(lines).toBe(front.length + off.filter((t) => t.state === "complete").length);
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

    await showFigure(page, "#evolution");
    expect(await page.locator("#evolution rect.stays").count()).toBe(front.length);
    const gone = data.frontSpans!.filter(({ until }) => until !== null);
    expect(await page.locator("#evolution rect.gone").count()).toBe(Math.min(gone.length, 40 - front.length));

    await showFigure(page, "#timeline-plot");
    expect(await page.locator("#timeline-plot rect.bar").count()).toBe(data.timeline!.length);
    const broken = data.timeline!.filter(({ ok }) => !ok).length;
    expect(await page.locator("#timeline-plot rect.broken").count()).toBe(broken);
    await page.locator("#timeline-plot rect.bar >> nth=3").click();
    expect(await page.locator("dialog[open]").count()).toBe(1);
    await page.keyboard.press("Escape");
  });

  test("the hypervolume marks the trials that raised it, and follows what is selected", async () => {
    const { page } = pages;
    await showFigure(page, "#hypervolume");
    const opacities = () =>
      page.evaluate<number[]>("document.querySelector('#hypervolume').data[0].marker.opacity");
    const raised = data.hypervolume.filter(({ value }, n, all) => value !== (all[n - 1]?.value ?? 0)).length;
    expect((await opacities()).filter((opacity) => opacity === 1)).toHaveLength(raised);
    await page.locator("#bounds input >> nth=0").press("End");
    await page.locator("#hypervolume").scrollIntoViewIfNeeded();
    await expect
      .poll(async () => (await opacities()).filter((opacity) => opacity === 0.2).length)
      .toBeGreaterThan(0);
    await page.click("#reset");
    await page.locator("#hypervolume").scrollIntoViewIfNeeded();
    await expect.poll(async () => (await opacities()).filter((opacity) => opacity === 1).length).toBe(raised);
  });

  test("lineage: every layout of the front is a point, no name is cut or stands on a point", async () => {
    const { page } = pages;
    await showFigure(page, "#lineage-plot");
    expect(await page.locator("#lineage-plot .node.front, #lineage-plot .node.published").count()).toBe(
      front.length + off.filter(({ onFront }) => !onFront).length,
    );
    // Published layouts are stars with their names.
    expect(await page.locator("#lineage-plot .node.published path").count()).toBe(
      await page.locator("#lineage-plot .node.published").count(),
    );
    expect(await page.locator("#lineage-plot .published text").allTextContents()).toContain("lfm2-350m");
    const bad = await page.evaluate(`(() => {
      const box = document.querySelector("#lineage-plot svg").getBoundingClientRect();
      const texts = [...document.querySelectorAll("#lineage-plot .node text")].map((t) => ({ t, b: t.getBoundingClientRect() }));
      const points = [...document.querySelectorAll("#lineage-plot .node circle:not(.hit)")].map((c) => c.getBoundingClientRect());
      const cut = texts.filter(({ b }) => b.right > box.right + 1 || b.top < box.top - 1);
      const hit = texts.filter(({ b }) => points.some((p) => p.left + 2 < b.right && b.left < p.right - 2 && p.top + 2 < b.bottom - 3 && b.top + 3 < p.bottom - 2));
      return [...cut, ...hit].map(({ t }) => t.textContent);
    })()`);
    expect(bad).toEqual([]);
    // Neighbours: one row fewer than layouts on the front.
    expect(await page.locator("#lineage tbody tr").count()).toBe(front.length - 1);
  });

  test.each([
    ["#parallel", /^F\d+|^lfm2/],
    [".scatter", /^(F\d+|lfm2-350m)/],
    [".contexts", /^(F\d+|lfm2-350m)/],
    ["#lineage-plot", /^(F\d+|l1-|lfm2-350m)/],
    ["#hypervolume", /./],
    ["#evolution", /^(F\d+|l1-|lfm2-350m)/],
    ["#timeline-plot", /./],
  ])(
    "%s is one stop of the Tab key: arrows go through it, Enter opens, Escape comes back",
    async (figure, opened) => {
      const { page } = pages;
      await showFigure(page, figure);
      const plot = page.locator(figure).first();
      expect(await plot.getAttribute("tabindex")).toBe("0");
      expect(await plot.locator("[tabindex='0']").count()).toBe(0);
      await plot.focus();
      await page.keyboard.press("ArrowRight");
      await page.keyboard.press("ArrowRight");
      const inside = "document.activeElement.closest('.plot') !== null";
      expect(await page.evaluate(inside)).toBe(true);
      await page.keyboard.press("Enter");
      const heading = page.locator("dialog[open] h2");
      await expect.poll(() => heading.count()).toBe(1);
      expect(await heading.textContent()).toMatch(opened);
      await page.keyboard.press("Escape");
      await expect.poll(() => heading.count()).toBe(0);
      // The focus is unchanged.
      expect(await page.evaluate(inside)).toBe(true);
      await page.keyboard.press("End");
      await page.keyboard.press("Enter");
      await expect.poll(() => heading.count()).toBe(1);
      await page.keyboard.press("Escape");
      await page.keyboard.press("Escape");
    },
  );

  test("every figure is saved as SVG and PNG that stand by themselves", async () => {
    const { page } = pages;
    const saved = async (plot: string, format: string): Promise<Buffer> => {
      await showFigure(page, plot);
      const button = page.locator(`${plot} + .save button`).filter({ hasText: format }).first();
      const [download] = await Promise.all([page.waitForEvent("download"), button.press("Enter")]);
      expect(download.suggestedFilename()).toMatch(/^test-hybrids-350m-[\w.-]+\.(svg|png)$/);
      return readFileSync(await download.path());
    };
    for (const plot of [
      ".scatter",
      "#parallel",
      "#lineage-plot",
      "#hypervolume",
      "#evolution",
      "#timeline-plot",
    ]) {
      const svg = (await saved(plot, "SVG")).toString();
      expect(svg).toMatch(/^<svg[^>]* xmlns="http:\/\/www\.w3\.org\/2000\/svg"/);
      expect(svg).not.toMatch(/<script|var\(--|href="http/);
      const png = await saved(plot, "PNG");
      expect(png.subarray(1, 4).toString()).toBe("PNG");
      const [width, height] = [png.readUInt32BE(16), png.readUInt32BE(20)];
      expect(width).toBeGreaterThan(600);
      expect(height).toBeGreaterThan(100);
      // A page with only the SVG draws it at its size.
      const size = await page.evaluate<number[]>(
        `new Promise((resolve, reject) => { const i = new Image(); i.onload = () => resolve([i.width, i.height]); i.onerror = reject; i.src = "data:image/svg+xml;base64,${Buffer.from(svg).toString("base64")}"; })`,
      );
      expect(size.map((n) => n * 2)).toEqual([width, height]);
    }
  });
});
