// Access to the pages. On loopback every user of this machine has access, under a loopback name only.
// Elsewhere a token is needed. Each start makes a new token, which comes once in the address and then in a
// cookie.
import { randomBytes, timingSafeEqual } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";

const COOKIE = "edgefront";
const LOOPBACK: ReadonlySet<string> = new Set(["localhost", "127.0.0.1", "::1", "[::1]"]);

/** Returns whether a host name means this machine only. */
export const isLoopback = (host: string): boolean => LOOPBACK.has(host);
/** Returns a new random token. */
export const makeToken = (): string => randomBytes(24).toString("base64url");

function same(given: string | null | undefined, token: string): boolean {
  const [a, b] = [Buffer.from(given ?? ""), Buffer.from(token)];
  return a.length === b.length && timingSafeEqual(a, b);
}

function cookieOf(request: IncomingMessage): string | undefined {
  const pairs = (request.headers.cookie ?? "").split(/;\s*/).map((pair) => pair.split("="));
  return pairs.find(([name]) => name === COOKIE)?.[1];
}

function refuse(response: ServerResponse, status: number, text: string): false {
  response.writeHead(status, { "content-type": "text/plain; charset=utf-8" }).end(`${text}\n`);
  return false;
}

/** Whether a link of another site may open the address: only pages. Our own pages fetch everything else. */
const isPage = (path: string): boolean => path === "/" || /^\/sweeps\/[^/]+$/.test(path);

const hostOf = (address: string | undefined): string | null =>
  address === undefined || !URL.canParse(address) ? null : new URL(address).host;

/**
 * Returns whether a page of another site, or of another port of this machine, makes the request in its
 * reader's name. Such a page could not read the answer, but could request it again and again. A followed link
 * to a page is the reader's own action.
 */
export function isForeign(request: IncomingMessage, path: string): boolean {
  const { headers } = request;
  const site = headers["sec-fetch-site"];
  if (site === "same-origin" || site === "none") return false;
  if (site !== undefined) {
    const followed = headers["sec-fetch-mode"] === "navigate" && headers["sec-fetch-dest"] === "document";
    return !(followed && isPage(path));
  }
  // Over plain http to another machine, browsers send only these headers.
  const own = headers.host ?? "";
  if (headers.origin !== undefined) return hostOf(headers.origin) !== own;
  const from = hostOf(headers.referer);
  return from !== null && from !== own && !isPage(path);
}

/** Returns true if the request may be answered; otherwise it was refused here. `token`: null on loopback. */
export function admit(
  request: IncomingMessage,
  response: ServerResponse,
  url: URL,
  token: string | null,
): boolean {
  if (isForeign(request, url.pathname))
    return refuse(
      response,
      403,
      "refused: the request comes from a page of another site; open the address that edgefront ui printed",
    );
  if (token === null) {
    // With DNS rebinding, a page of another site shows its own host name here.
    const host = (request.headers.host ?? "").replace(/:\d+$/, "");
    return (
      isLoopback(host) ||
      refuse(
        response,
        403,
        "refused: the page is for this machine only; open http://localhost or http://127.0.0.1",
      )
    );
  }
  if (same(cookieOf(request), token)) return true;
  if (!same(url.searchParams.get("token"), token))
    return refuse(
      response,
      401,
      "refused: the token is missing; open the address that edgefront ui printed, which contains it",
    );
  url.searchParams.delete("token");
  response
    .writeHead(302, {
      location: url.pathname + url.search,
      "set-cookie": `${COOKIE}=${token}; HttpOnly; SameSite=Strict; Path=/`,
    })
    .end();
  return false;
}
