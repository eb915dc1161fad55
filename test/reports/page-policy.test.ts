// A report behind a server that forbids scripts or styles (CI publishers, artifact viewers). It explains why
// figures are missing, and its icons keep their size.
import { readFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { launchBrowser } from "../support/browser.ts";
import { browserProblem } from "../support/needs.ts";
import { reportPages } from "../support/report-page.ts";

describe.skipIf(browserProblem() !== null)("a report under another's policy", { timeout: 60_000 }, () => {
  const pages = reportPages();
  let browser: Browser;
  let server: Server;
  let policy = "";
  beforeAll(async () => {
    browser = await launchBrowser();
    server = createServer((_, response) => {
      const headers = {
        "content-type": "text/html",
        ...(policy === "" ? {} : { "content-security-policy": policy }),
      };
      response.writeHead(200, headers).end(readFileSync(pages.file));
    }).listen(0, "127.0.0.1");
    await new Promise((done) => server.once("listening", done));
  });
  afterAll(async () => {
    await browser.close();
    server.close();
  });

  async function seen(javaScriptEnabled = true) {
    const page = await browser.newPage({ viewport: { width: 1200, height: 900 }, javaScriptEnabled });
    try {
      await page.goto(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
      await page.waitForTimeout(1600);
      const notice = page.locator("#unfilled");
      const icons = await page.locator("svg.mark").all();
      const boxes = await Promise.all(icons.map((icon) => icon.boundingBox()));
      const shown = (await notice.count()) === 1 && (await notice.isVisible());
      return { shown, largest: Math.max(...boxes.map((box) => box?.height ?? 0)), icons: icons.length };
    } finally {
      await page.close();
    }
  }

  it.each([
    ["in a sandbox without styles", "sandbox; default-src 'none'; img-src 'self'; style-src 'self'"],
    ["without inline styles or scripts", "default-src 'none'; style-src 'self'"],
    ["without scripts", "script-src 'none'"],
    ["with scripts of the server only", "script-src 'self'"],
    ["in a sandbox", "sandbox"],
    ["in a sandbox that allows scripts, none inline", "sandbox allow-scripts; default-src 'self'"],
    ["with styles by nonce only", "style-src 'nonce-abc'; script-src 'nonce-abc'"],
  ])("%s says that figures are missing", async (_how, given) => {
    policy = given;
    const { shown, largest, icons } = await seen();
    expect(shown).toBe(true);
    expect(icons).toBeGreaterThan(4);
    expect(largest).toBeLessThan(20);
  });

  it("says so with scripts switched off, and nothing of it where the script runs", async () => {
    policy = "";
    expect((await seen(false)).shown).toBe(true);
    expect((await seen()).shown).toBe(false);
  });

  it("keeps its icons where only styles are forbidden", async () => {
    policy = "style-src 'none'";
    const { shown, largest } = await seen();
    expect(shown).toBe(false);
    expect(largest).toBeLessThan(20);
  });
});
