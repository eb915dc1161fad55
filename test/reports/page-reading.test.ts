// Reading the report: lists and tables, the raw samples behind each number, and its look in dark mode, on
// paper, and for colour-blind readers.
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { frontPoints, publishedOffFront } from "../../reports/front.ts";
import { showScatters } from "../support/browser.ts";
import { contrast, distance, type Vision, visions } from "../support/colours.ts";
import { browserProblem } from "../support/needs.ts";
import { reportPages } from "../support/report-page.ts";

describe.skipIf(browserProblem() !== null)("reading", () => {
  const pages = reportPages();
  const { data } = pages;
  const rows = frontPoints(data).length + publishedOffFront(data).length;

  test("every front layout has its picture, its values and their range", async () => {
    const { page } = pages;
    expect(await page.locator(".layouts svg.strip").count()).toBe(rows);
    expect(await page.locator("#table tbody tr").count()).toBe(rows);
    expect(await page.locator(".layouts li >> nth=0 >> svg.strip > g").count()).toBe(16);
    expect(await page.locator("#table tbody td >> nth=0").textContent()).toMatch(/ ms.*–.* ms · n 5$/);
    expect(await page.locator("#table thead .tag.warn").count()).toBeGreaterThan(0);
  });

  test("shows importance and agreement as figures and drawings; failures open by cause", async () => {
    const { page } = pages;
    const shares = await page
      .locator("#importance td.share")
      .evaluateAll((cells) => cells.map((cell) => [cell.textContent, cell.getAttribute("style")]));
    expect(shares.length).toBeGreaterThan(8);
    for (const [text, style] of shares)
      expect(Math.abs(Number.parseInt(text!, 10) / 100 - Number(/[\d.]+/.exec(style!)![0]))).toBeLessThan(
        0.006,
      );
    // Three pairs of devices for each objective or budgeted metric; other metrics on demand.
    const drawn = page.locator("#agreement svg.tau");
    expect(await drawn.locator("visible=true").count()).toBe(9);
    await page.locator("#agreement summary").press("Enter");
    expect(await drawn.locator("visible=true").count()).toBe(await drawn.count());
    expect(await drawn.count()).toBeGreaterThan(9);
    const cause = page.locator("#outcomes details").first();
    await cause.locator("summary").press("Enter");
    const count = Number(await cause.locator(".count").textContent());
    expect(await cause.locator("li").count()).toBe(count);
  });

  test("any number opens its raw samples and their provenance; Escape returns", async () => {
    const { page } = pages;
    const cell = page.locator("#table tbody tr >> nth=0 >> button.number >> nth=1");
    await cell.focus();
    await page.keyboard.press("Enter");
    const point = frontPoints(data)[0]!.trial;
    const name = "decodeTokensPerSecond@4096:laptop";
    const metric = page.locator(`dialog[open] .metric[data-metric="${name}"]`);
    await expect.poll(() => metric.locator("circle").count()).toBe(5);
    const first = Number(point.metrics[name]!.samples[0]!.toPrecision(4));
    expect(await metric.locator(".samples").textContent()).toContain(String(first));
    // Provenance: binary, kernel path, device state.
    expect(await metric.textContent()).toMatch(/agent 5f5f5f5f.*isa avx2.*threads 4.*°C \d/);
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
  });

  test("a colour scheme change restyles the plots", async () => {
    const { page } = pages;
    const tick = page.locator(".scatter >> nth=0 >> .xtick text >> nth=0");
    const ink = () =>
      tick.evaluate((element) => (element as unknown as { style: { fill: string } }).style.fill);
    await showScatters(page);
    const light = await ink();
    await page.emulateMedia({ colorScheme: "dark" });
    await expect.poll(ink).not.toBe(light);
    await page.emulateMedia({ colorScheme: "light" });
    await expect.poll(ink).toBe(light);
  });

  test.each([1280, 390])(
    "printed from a dark window of %i px: the decision, nothing cut, ink on white",
    async (width) => {
      const { page, complaints } = await pages.open({ width, dark: true });
      // In the order of a browser: everything is drawn before print styles apply.
      await page.evaluate("dispatchEvent(new Event('beforeprint'))");
      await page.emulateMedia({ media: "print", colorScheme: "dark" });
      await expect.poll(() => page.locator("main .plot:not([data-drawn])").count()).toBe(0);
      const { cut, low, ink, hidden } = await page.evaluate<{
        cut: string[];
        low: string[];
        ink: string;
        hidden: number;
      }>(`(() => {
      const sheet = document.querySelector("main").getBoundingClientRect();
      const cut = [...document.querySelectorAll("main svg, main table, main p, #answer *")].filter((element) => {
        const { width, right } = element.getBoundingClientRect();
        return width > 0 && right > sheet.right + 1;
      });
      const low = [...document.querySelectorAll("main .plot svg")].filter(
        (svg) => svg.getBoundingClientRect().bottom > svg.closest(".plot").getBoundingClientRect().bottom + 1,
      );
      const answer = document.querySelector("#answer");
      return {
        low: low.map((svg) => svg.closest(".plot").id + " " + svg.closest(".plot").className),
        cut: cut.map((element) => element.tagName + " " + element.textContent.slice(0, 40)),
        ink: getComputedStyle(document.querySelector(".scatter .xtick text")).fill,
        hidden: answer.scrollHeight - answer.clientHeight,
      };
    })()`);
      expect(cut).toEqual([]);
      expect(low).toEqual([]);
      expect(ink).toBe("rgb(92, 102, 112)");
      expect(hidden).toBeLessThanOrEqual(0);
      expect(await page.locator("#answer .runner-up").isVisible()).toBe(true);
      await page.evaluate("dispatchEvent(new Event('afterprint'))");
      expect(await page.getAttribute("html", "data-print")).toBeNull();
      expect(complaints).toEqual([]);
    },
  );
});

test.each(["light", "dark"] as const)(
  "colours of the %s page are told apart by any eyes, and text is readable",
  (scheme) => {
    const css = readFileSync(new URL("../../reports/client/style/page.css", import.meta.url), "utf8");
    const [light, dark] = css.split("prefers-color-scheme: dark") as [string, string];
    const colours = new Map(
      [...(scheme === "light" ? light : dark).matchAll(/--([\w-]+): (#[0-9a-f]{6});/g)].map(
        ([, name, hex]) => [name!, hex!],
      ),
    );
    const of = (name: string): string => colours.get(name)!;
    for (const ink of ["ink", "soft", "accent", "out"])
      for (const ground of ["bg", "panel"])
        expect([ink, contrast(of(ink), of(ground)) >= 4.5]).toEqual([ink, true]);
    for (const [ink, ground] of [
      ["warn-ink", "warn-bg"],
      ["conv-ink", "conv"],
      ["swa-ink", "swa"],
      ["gqa-ink", "gqa"],
    ] as const)
      expect(contrast(of(ink), of(ground))).toBeGreaterThanOrEqual(4.5);
    // Marks with different meanings, pair by pair. Their shapes differ too.
    const marks = ["front", "out", "star", "other"];
    const layers = ["conv", "swa", "gqa"];
    for (const vision of Object.keys(visions) as Vision[])
      for (const group of [marks, layers])
        for (const [n, one] of group.entries())
          for (const other of group.slice(n + 1))
            expect([vision, one, other, distance(of(one), of(other), vision) >= 12]).toEqual([
              vision,
              one,
              other,
              true,
            ]);
  },
);
