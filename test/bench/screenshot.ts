// screenshot: makes README.md's picture of a decision sheet, from a report file of a real sweep:
//
//     npx edgefront sweep configs/quickstart.yaml &&
//     npm run screenshot -- report-quickstart.html reports/decision-sheet.png
import { existsSync, statSync } from "node:fs";
import { resolve } from "node:path";
import { launchBrowser, openReport, watchedPage } from "../support/browser.ts";

const [report = "report-quickstart.html", picture = "reports/decision-sheet.png"] = process.argv.slice(2);
if (!existsSync(report)) {
  console.error(
    `no report ${report}; run a sweep first, or name its report: screenshot [report-quickstart.html] [picture.png]`,
  );
  process.exit(2);
}
const browser = await launchBrowser();
const { page, complaints } = await watchedPage(browser, { width: 1180, height: 1200 });
await openReport(page, resolve(report));
// A bound as a reader would set one: on the first objective, a third of the range.
const slider = page.locator("#bounds input").first();
for (let press = 0; press < 3; press++) await slider.press("PageUp");
await slider.blur();
await page.waitForSelector("#parallel[data-drawn]");
// Everything below the decision sheet is cut off.
const { y, height } = (await page.locator("#decide").boundingBox())!;
await page.waitForTimeout(500);
await page.screenshot({
  path: picture,
  fullPage: true,
  clip: { x: 0, y: y - 24, width: 1180, height: height + 40 },
});
await browser.close();
console.log(`${picture}: ${Math.round(statSync(picture).size / 1000)} kB`);
if (complaints.length > 0) throw new Error(complaints.join("\n"));
