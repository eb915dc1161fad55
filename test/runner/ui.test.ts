// The server of edgefront ui beside a real sweep: its answers, and that nobody else gets in.
import { readFileSync } from "node:fs";
import { request } from "node:http";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { LiveChange, LiveState } from "../../reports/live-messages.ts";
import { patched } from "../../reports/page/patch.ts";
import { runCli } from "../support/built-cli.ts";
import { LargeSweep } from "../support/large-sweep.ts";
import { writeTinySweep } from "../support/tiny-sweep.ts";
import { at, begin, end, folderNow, get, startUi } from "../support/ui-server.ts";

describe("the server", { timeout: 60_000 }, () => {
  let large: LargeSweep;
  let url: string;
  // A real sweep and a simulated one beside it. One server for all tests that only read.
  beforeAll(async () => {
    begin();
    const config = writeTinySweep(folderNow(), { trials: 2, train: false });
    expect((await runCli(["sweep", config], folderNow())).code).toBe(0);
    large = new LargeSweep(folderNow());
    large.add(230);
    ({ url } = await startUi("tiny"));
  });
  afterAll(async () => {
    large.close();
    await end();
  });

  it("answers on loopback under a strict policy, to its own name only, and only to reads", async () => {
    const page = await get(`${url}sweeps/tiny`);
    expect(page.status).toBe(200);
    const policy = /Content-Security-Policy" content="([^"]*)"/.exec(page.body)![1]!.replaceAll("&#39;", "'");
    expect(policy).toMatch(/^default-src 'none'; script-src 'sha256-[^;]*; .*connect-src 'self'/);
    expect(page.headers).toMatchObject({
      "referrer-policy": "no-referrer",
      "x-content-type-options": "nosniff",
      "cache-control": "no-store",
    });
    expect((await get(url)).headers.location).toBe("/sweeps/tiny");
    expect((await get(url, { host: "evil.example" })).status).toBe(403);
    expect((await get(`${url}sweeps/tiny`, {}, "POST")).status).toBe(405);
    for (const path of ["sweeps/none", "sweeps/tiny/../../etc/passwd", "etc/passwd", "sweeps/tiny/other"])
      expect((await get(url + path)).status).toBe(404);
  });

  it("refuses requests of other sites, and follows links to its own pages", async () => {
    const foreign = { "sec-fetch-site": "cross-site" };
    const navigation = { "sec-fetch-mode": "navigate", "sec-fetch-dest": "document" };
    for (const path of [
      "",
      "sweeps/tiny",
      "sweeps/tiny/state",
      "sweeps/tiny/events",
      "sweeps/tiny/trials",
      "sweeps/tiny/against/tiny",
    ]) {
      expect((await get(url + path, foreign)).status).toBe(403);
      expect((await get(url + path, foreign, "HEAD")).status).toBe(403);
    }
    for (const headers of [
      { "sec-fetch-site": "same-site", "sec-fetch-mode": "no-cors", "sec-fetch-dest": "image" },
      { ...foreign, "sec-fetch-mode": "navigate", "sec-fetch-dest": "iframe" },
      { origin: "http://evil.example" },
      { origin: "null" },
      { origin: "http://127.0.0.1:1" },
    ])
      expect((await get(`${url}sweeps/tiny`, headers)).status).toBe(403);
    expect((await get(`${url}sweeps/tiny/against/tiny`, { ...foreign, ...navigation })).status).toBe(403);
    expect((await get(`${url}sweeps/tiny/state`, { referer: "http://evil.example/" })).status).toBe(403);
    expect((await get(`${url}sweeps/tiny`, { ...foreign, ...navigation })).status).toBe(200);
    expect((await get(url, { ...foreign, ...navigation })).status).toBe(302);
    for (const site of ["same-origin", "none"])
      expect((await get(`${url}sweeps/tiny/state`, { "sec-fetch-site": site })).status).toBe(200);
    expect((await get(`${url}sweeps/tiny/state`, { origin: new URL(url).origin })).status).toBe(200);
  });

  it("answers HEAD at every address, and ends", async () => {
    for (const [path, status, type] of [
      ["sweeps/tiny", 200, "text/html"],
      ["sweeps/tiny/events", 200, "text/event-stream"],
      ["sweeps/tiny/state", 200, "application/json"],
      ["sweeps/tiny/trials", 200, "application/json"],
      ["sweeps/tiny/trials/999", 404, "text/plain"],
      ["sweeps/tiny/against/tiny", 200, "text/html"],
      ["sweeps/tiny/against/none", 404, "text/plain"],
      ["sweeps/none/events", 404, "text/plain"],
      ["sweeps/%zz", 404, "text/plain"],
      ["sweeps/tiny/against/%zz", 404, "text/plain"],
    ] as const) {
      const answer = await get(url + path, {}, "HEAD");
      expect({ path, status: answer.status, body: answer.body }).toEqual({ path, status, body: "" });
      expect(answer.headers["content-type"]).toContain(type);
    }
  });

  it("asks for its token beyond loopback, keeps it out of the address, and ends with Ctrl-C", async () => {
    const { url, running } = await startUi("tiny", "--host", "0.0.0.0");
    expect(url).toMatch(/\?token=[\w-]{32}$/);
    const local = new URL(url.replace("0.0.0.0", "127.0.0.1"));
    expect((await get(local.origin)).status).toBe(401);
    expect((await get(`${local.origin}/sweeps/tiny/state?token=${"x".repeat(32)}`)).status).toBe(401);
    expect((await get(local.origin, { cookie: "edgefront=wrong" })).status).toBe(401);
    const first = await get(local.href);
    expect(first).toMatchObject({ status: 302, headers: { location: "/" } });
    const [cookie] = first.headers["set-cookie"] as string[];
    expect(cookie).toMatch(/HttpOnly; SameSite=Strict/);
    const again = await get(`${local.origin}/sweeps/tiny`, { cookie: cookie!.split(";")[0]! });
    expect(again.status).toBe(200);
    expect(again.body.includes(local.searchParams.get("token")!)).toBe(false);
    running.child.kill("SIGINT");
    expect((await running.finished).code).toBe(0);
  });

  it("writes nothing to the database", async () => {
    const path = at("edgefront.db");
    const before = readFileSync(path);
    expect((await get(`${url}sweeps/tiny/state`)).status).toBe(200);
    expect(readFileSync(path).equals(before)).toBe(true);
  });

  it("sends every reader the same change, which turns the older state into the newer one", async () => {
    const state = async (): Promise<LiveState> => {
      const { body } = await get(`${url}sweeps/synthetic/state`, {}, "GET", true);
      return JSON.parse(body) as LiveState;
    };
    const before = await state();
    const texts = ["", "", ""];
    const readers = texts.map((_, n) => {
      const revision = n === 2 ? 1 : before.revision;
      const sent = request(`${url}sweeps/synthetic/events?revision=${revision}`, (response) =>
        response.on("data", (chunk: Buffer) => {
          texts[n] = texts[n]! + String(chunk);
        }),
      );
      sent.on("error", () => {});
      sent.end();
      return sent;
    });
    await expect.poll(() => texts.every((text) => text.startsWith("retry"))).toBe(true);
    // A reader with an older state gets one message that says so.
    await expect.poll(() => texts[2]).toContain(`event: behind\ndata: ${before.revision}\n\n`);
    expect(texts[0]).not.toContain("event:");
    large.add(1);
    const told = (text: string): LiveChange[] =>
      [...text.matchAll(/^event: changed\nid: \d+\ndata: (.*)\n\n/gm)].map(([, json]) => JSON.parse(json!));
    await expect.poll(() => texts.map((text) => told(text).length)).toEqual([1, 1, 1]);
    const after = await state();
    const [change] = told(texts[0]!) as [LiveChange];
    expect(told(texts[1]!)).toEqual([change]);
    expect(told(texts[2]!)).toEqual([change]);
    expect(change).toMatchObject({ from: before.revision, revision: after.revision, status: after.status });
    expect(patched(before.view, change.view!)).toEqual(after.view);
    const sections = new Map([...before.sections, ...change.sections]);
    expect([...sections].filter(([key]) => after.sections.some(([other]) => other === key))).toEqual(
      after.sections.map(([key]) => [key, sections.get(key)]),
    );
    for (const [key, markup] of after.sections) expect([key, sections.get(key)]).toEqual([key, markup]);
    expect(JSON.stringify(change).length).toBeLessThan(JSON.stringify(after).length / 2);
    for (const reader of readers) reader.destroy();
  });

  it("is not made again for each of many requests while the sweep runs", async () => {
    await new Promise((resolve) => setTimeout(resolve, 700));
    const revisions: number[] = [];
    const began = performance.now();
    for (let n = 0; n < 10; n++) {
      large.add(1);
      const { body } = await get(`${url}sweeps/synthetic/state`, {}, "GET", true);
      revisions.push((JSON.parse(body) as LiveState).revision);
    }
    const made = new Set(revisions).size;
    // At most one per 300 ms, plus the first.
    expect(made).toBeLessThanOrEqual(1 + Math.ceil((performance.now() - began) / 300));
    expect(made).toBeLessThan(revisions.length);
    const shown = async () =>
      (JSON.parse((await get(`${url}sweeps/synthetic/state`, {}, "GET", true)).body) as LiveState).status;
    const finished = async (): Promise<number> => Number(/(\d+) of/.exec(await shown())![1]);
    const before = await finished();
    large.add(3);
    await expect.poll(finished, { timeout: 3000 }).toBeGreaterThanOrEqual(before + 3);
  });

  it("serves every trial page by page in any order, each with all its measurements", async () => {
    const json = async (query: string) =>
      JSON.parse((await get(`${url}sweeps/synthetic/trials${query}`)).body);
    const first = await json("");
    const { total } = first;
    expect(first).toMatchObject({ offset: 0, size: 50 });
    expect(total).toBeGreaterThanOrEqual(230);
    expect(first.rows).toHaveLength(50);
    const last = await json("?offset=200");
    expect(last.rows.map(({ number }: { number: number }) => number)).toEqual(
      Array.from({ length: total - 200 }, (_, n) => 200 + n),
    );
    const fastest = await json("?sort=decodeP50Ms@32:local&state=complete");
    const times = fastest.rows.map(({ values }: { values: string[] }) => Number.parseFloat(values[0]!));
    expect(times).toEqual([...times].sort((a, b) => a - b));
    expect(fastest.rows.every(({ state }: { state: string }) => state === "complete")).toBe(true);
    const [{ id }] = first.rows;
    expect((await json(`?find=${id}`)).total).toBe(1);
    for (const odd of ["?offset=-5&state=evil", "?offset=x", "?find=%25'%3B--"])
      expect((await get(`${url}sweeps/synthetic/trials${odd}`)).status).toBe(200);
    const one = await json("/7");
    expect(one.trials).toHaveLength(1);
    expect(one.trials[0]).toMatchObject({ number: 7, id: first.rows[7].id });
    expect((await get(`${url}sweeps/synthetic/trials/999`)).status).toBe(404);
  });

  it("compares two sweeps, and says how the devices are", async () => {
    const page = await get(`${url}sweeps/tiny`);
    expect(page.body).toContain('href="/sweeps/synthetic/against/tiny"');
    expect(page.body).toMatch(/<th scope="col">Now<\/th>.*<span class="tag">ready<\/span>/s);
    const compared = await get(`${url}sweeps/synthetic/against/tiny`);
    expect(compared.status).toBe(200);
    expect(compared.body).toContain("default-src &#39;none&#39;; style-src &#39;unsafe-inline&#39;");
    expect(compared.body).toMatch(/0 layouts kept, \d+ joined, \d+ left/);
    expect(compared.body).toContain("search.trials");
    expect((await get(`${url}sweeps/tiny/against/none`)).status).toBe(404);
  });

  it("refuses what it cannot do in one line", async () => {
    const refused = async (message: RegExp, ...args: string[]) => {
      const { code, stderr, stdout } = await runCli(["ui", ...args], folderNow());
      expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
      expect(stderr.trim().split("\n")).toHaveLength(1);
      expect(stderr).toMatch(message);
    };
    await Promise.all([
      refused(/cannot listen on 127\.0\.0\.1:\d+: the port is in use/, "--port", new URL(url).port),
      refused(/there is no such database/, "--db", "none.db"),
      refused(/did you mean "tiny"\?/, "tyni", "--port", "0"),
      refused(/--port is 70000, but must be a whole number/, "--port", "70000"),
    ]);
    const help = await runCli(["ui", "--help"], folderNow());
    expect(help.stdout).toContain("Examples:");
  });
});
