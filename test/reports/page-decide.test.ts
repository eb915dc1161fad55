// Deciding on the page: bounds, rule, brush and the edits between layouts, by mouse and by keyboard. Every
// view follows.
import { describe, expect, test } from "vitest";
import { frontPoints } from "../../reports/front.ts";
import { showScatters } from "../support/browser.ts";
import { browserProblem } from "../support/needs.ts";
import { reportPages, showFigure } from "../support/report-page.ts";

describe.skipIf(browserProblem() !== null)("deciding", () => {
  const pages = reportPages();
  const { data } = pages;
  const front = frontPoints(data);

  test("sliders and rule name a layout by keyboard, every view follows, and clearing undoes it", async () => {
    const { page } = pages;
    await showScatters(page);
    const verdict = page.locator("#answer .verdict");
    const before = await verdict.textContent();
    expect(before).toContain(`of ${front.length} within`);
    await page.locator("#bounds input >> nth=0").focus();
    for (let press = 0; press < 6; press++) await page.keyboard.press("PageUp");
    await expect
      .poll(() => page.locator("#bounds output >> nth=0").textContent())
      .toMatch(/^at most \d+ ms$/);
    await expect.poll(() => page.locator(".layouts li.out").count()).toBeGreaterThan(0);
    const within = async () => Number((await verdict.textContent())!.match(/of (\d+)/)![1]);
    // Each view follows a key one frame later. When the views agree, both have handled the last key.
    const chipsAgree = async () =>
      (await page.locator("#chips .chip:not(.out)").count()) === (await within());
    await expect.poll(chipsAgree).toBe(true);
    await expect.poll(within).toBeLessThan(front.length);
    expect(
      await page.locator("#parallel path.front.out, #parallel path.published.out").count(),
    ).toBeGreaterThan(0);
    expect(await page.locator(".layouts li.chosen").count()).toBe(1);
    // A chip for each layout that can be chosen, in the order of the tables. One is the choice.
    const chips = await page.locator("#chips .chip").allTextContents();
    expect(chips.map((text) => text.replace("★ ", "")).slice(0, front.length)).toEqual(
      front.map(({ label }) => label),
    );
    await expect.poll(chipsAgree).toBe(true);
    expect(await page.locator("#chips .chip.chosen").count()).toBe(1);
    for (const figure of ["#lineage-plot .node", "#evolution .bar", "#timeline-plot .bar"]) {
      await showFigure(page, figure.split(" ")[0]!);
      await expect.poll(() => page.locator(`${figure}.out`).count()).toBeGreaterThan(0);
      expect(await page.locator(`${figure}:not(.out)`).count()).toBeGreaterThan(0);
    }
    await page.locator("#bounds input >> nth=0").press("End");
    for (const bound of [1, 2, 3]) await page.locator(`#bounds input >> nth=${bound}`).press("End");
    await expect.poll(() => verdict.textContent()).toBe("No layout on the front is within these bounds.");
    await page.click("#reset");
    await expect.poll(() => verdict.textContent()).toBe(before);
    // The rows follow with the next frame.
    await expect.poll(() => page.locator(".layouts li.out").count()).toBe(0);
  });

  test("any other metric can be bounded too; it gets an axis and a row, and clearing takes it away", async () => {
    const { page } = pages;
    const verdict = page.locator("#answer .verdict");
    const before = await verdict.textContent();
    const [sliders, axes] = [page.locator("#bounds input"), page.locator("#parallel line")];
    await page.locator("#parallel").scrollIntoViewIfNeeded();
    await page.waitForSelector("#parallel[data-drawn]");
    const [count, drawn] = [await sliders.count(), await axes.count()];
    const added = "Peak memory on phone";
    await page.focus("#bound-more");
    await page.selectOption("#bound-more", { label: added });
    await expect.poll(() => sliders.count()).toBe(count + 1);
    // The keyboard focus is on the new slider.
    await page.keyboard.press("End");
    await expect
      .poll(() => page.locator("#bounds output").last().textContent())
      .toMatch(/^at most [\d.]+ MB$/);
    const metric = "peakBytes:phone";
    const complete = data.trials.filter(({ state }) => state === "complete");
    const least = Math.min(...complete.map(({ metrics }) => metrics[metric]!.value));
    const lightest = complete.find(({ metrics }) => metrics[metric]!.value === least)!;
    const left = front.filter(({ trial }) => trial === lightest);
    await expect
      .poll(() => verdict.textContent())
      .toContain(left.length > 0 ? left[0]!.label : "No layout on the front");
    await expect.poll(() => axes.count()).toBe(drawn + 1);
    expect(await page.locator("#parallel text.name").allTextContents()).toContain("Peak memory");
    await page.click("#reset");
    await expect.poll(() => sliders.count()).toBe(count);
    await expect.poll(() => axes.count()).toBe(drawn);
    expect(await verdict.textContent()).toBe(before);
    expect(await page.locator("#bound-more option").allTextContents()).toContain(added);
  });

  test("dragging over points, or Space on them, selects them in every view; Escape lets go", async () => {
    const { page, complaints } = await pages.open({ height: 1800 });
    await showScatters(page);
    await page.locator(".scatter").first().scrollIntoViewIfNeeded();
    // Everything nearby is drawn before the mouse is pressed.
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
    await page.locator(".scatter").first().focus();
    await page.keyboard.press("Escape");
    await expect.poll(() => page.locator(".layouts li.out").count()).toBe(0);
    // The same by keyboard: one point, then another beside it.
    const rows = (await page.locator(".layouts li").count()) - 1;
    await page.keyboard.press("ArrowRight");
    await page.keyboard.press("Space");
    await expect.poll(() => page.locator(".layouts li.out").count()).toBe(rows);
    await page.keyboard.press("ArrowRight");
    await page.keyboard.press("Space");
    await expect.poll(() => page.locator(".layouts li.out").count()).toBe(rows - 1);
    await page.keyboard.press("Escape");
    await expect.poll(() => page.locator(".layouts li.out").count()).toBe(0);
    expect(complaints).toEqual([]);
  });

  test("dragging along an axis of the parallel coordinates selects what passes there", async () => {
    const { page } = pages;
    await page.locator("#parallel").scrollIntoViewIfNeeded();
    const axis = (await page.locator("#parallel .brush").nth(2).boundingBox())!;
    const x = axis.x + axis.width / 2;
    await page.mouse.move(x, axis.y + 2);
    await page.mouse.down();
    await page.mouse.move(x, axis.y + axis.height * 0.3, { steps: 4 });
    await page.mouse.up();
    // Only the best third by recall remains.
    const recall = (trial: (typeof data.trials)[number]): number => trial.metrics["recall.accuracy"]!.value;
    const values = data.trials.filter(({ state }) => state === "complete").map(recall);
    const [low, high] = [Math.min(...values), Math.max(...values)];
    const inside = front.filter(({ trial }) => recall(trial) > low + 0.72 * (high - low)).length;
    const sure = front.filter(({ trial }) => recall(trial) < low + 0.68 * (high - low)).length;
    await expect.poll(() => page.locator("#chips .chip.out").count()).toBeGreaterThanOrEqual(sure);
    expect(await page.locator("#chips .chip:not(.out)").count()).toBeGreaterThanOrEqual(inside);
    await page.click("#reset");
    await expect.poll(() => page.locator("#chips .chip.out").count()).toBe(0);
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
    const trials = [...data.trials.filter((t) => t !== a && t !== b), ...made];
    const { page, complaints } = await pages.open({}, pages.write("path", { ...data, trials }));
    expect(await page.locator("#answer .runner-up").textContent()).toMatch(/l1-clone61 2 single edits away:/);
    // Both layouts are drawn, and layers that differ are marked.
    expect(await page.locator("#answer svg.strip").count()).toBe(2);
    expect(await page.locator("#answer svg.strip >> nth=0 >> g.edited").count()).toBe(0);
    expect(await page.locator("#answer svg.strip >> nth=1 >> g.edited").count()).toBe(2);
    const steps = page.locator("#answer .path li");
    expect(await steps.count()).toBe(2);
    expect(await steps.first().textContent()).toMatch(/^layer 0 \S+ → c[34] l1-clone62 [\d.]+ ms$/);
    await steps.first().locator("button").click();
    expect(await page.locator("dialog[open]").count()).toBe(1);
    expect(complaints).toEqual([]);
  });
});
