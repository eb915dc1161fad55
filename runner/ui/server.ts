// The report of a sweep as a page that follows it: node:http, one address a sweep, its state as JSON, and server-sent events
// that say what changed. Everything is read from the database; nothing is ever written.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { InvalidInputError } from "../../candidates/errors.ts";
import type { Store } from "../store/store.ts";
import { admit, isLoopback, makeToken } from "./access.ts";
import type { Followed } from "./followed.ts";
import { addressOf, Pages } from "./pages.ts";
import { Watch } from "./watch.ts";

const HEARTBEAT_MS = 15_000;
/** Sent to a reader and not read by it yet, at most. */
const BACKLOG_BYTES = 4_000_000;

const HEADERS = {
  "cache-control": "no-store",
  "x-content-type-options": "nosniff",
  "referrer-policy": "no-referrer",
  "x-frame-options": "DENY",
};

const PAGE_HEADERS = {
  ...HEADERS,
  "content-type": "text/html; charset=utf-8",
  "content-security-policy": "frame-ancestors 'none'",
};

export interface UiOptions {
  readonly store: Store;
  /** Shown first; the newest where undefined. */
  readonly sweep: string | undefined;
  readonly host: string;
  /** 0: any free one. */
  readonly port: number;
}

export interface Ui {
  /** What to open: with the token where one is needed. */
  readonly url: string;
  close(): Promise<void>;
}

function sendEvents(request: IncomingMessage, response: ServerResponse, url: URL, followed: Followed): void {
  response.writeHead(200, EVENT_HEADERS);
  response.write("retry: 1000\n\n");
  let behind = false;
  const send = (event: Buffer): void => {
    // A reader that does not read is not sent more and more: it fetches the state when it reads again.
    if (response.writableLength > BACKLOG_BYTES) behind = true;
    else response.write(event);
  };
  response.on("drain", () => {
    if (behind) response.write(followed.behind());
    behind = false;
  });
  const heartbeat = setInterval(() => response.write(": here\n\n"), HEARTBEAT_MS);
  // A browser that comes back after a break says what it had last.
  const had = Number(request.headers["last-event-id"] ?? url.searchParams.get("revision"));
  const forget = followed.follow(had, send);
  request.on("close", () => {
    forget();
    clearInterval(heartbeat);
  });
}

const text = (response: ServerResponse, status: number, message: string): void => {
  response.writeHead(status, { ...HEADERS, "content-type": "text/plain; charset=utf-8" }).end(`${message}\n`);
};

const EVENT_HEADERS = { ...HEADERS, "content-type": "text/event-stream; charset=utf-8" };
const JSON_HEADERS = { ...HEADERS, "content-type": "application/json" };

/** A part of an address; what is no valid encoding names nothing. */
function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return "";
  }
}

/** What a GET would begin with, where it would never end or works something out at length; false for the rest, which is cheap. */
function answeredHead(response: ServerResponse, part: string | undefined, pages: Pages): boolean {
  const against = /^\/against\/(.+)$/.exec(part ?? "")?.[1];
  if (part !== "/events" && against === undefined) return false;
  if (against !== undefined && pages.find(decoded(against)) === null)
    text(response, 404, "there is no such sweep");
  else response.writeHead(200, part === "/events" ? EVENT_HEADERS : PAGE_HEADERS).end();
  return true;
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  url: URL,
  pages: Pages,
  first: string | undefined,
): Promise<void> {
  if (request.method !== "GET" && request.method !== "HEAD") return text(response, 405, "read only");
  if (url.pathname === "/") {
    const sweep = pages.first(first);
    if (sweep === null) return text(response, 200, "No sweep in this database yet; start one, then reload.");
    response.writeHead(302, { ...HEADERS, location: addressOf(sweep) }).end();
    return;
  }
  const match = /^\/sweeps\/([^/]+)(\/events|\/state|\/trials(?:\/\d{1,9})?|\/against\/[^/]+)?$/.exec(
    url.pathname,
  );
  const sweep = match === null ? null : pages.find(decoded(match[1]!));
  if (match === null || sweep === null) return text(response, 404, "there is nothing here");
  if (request.method === "HEAD" && answeredHead(response, match[2], pages)) return;
  if (match[2] === "/events") return sendEvents(request, response, url, pages.followed(sweep));
  const against = /^\/against\/(.+)$/.exec(match[2] ?? "")?.[1];
  if (against !== undefined) {
    const other = pages.find(decoded(against));
    if (other === null) return text(response, 404, "there is no such sweep");
    response.writeHead(200, PAGE_HEADERS).end(pages.comparison(sweep, other));
    return;
  }
  if (match[2]?.startsWith("/trials")) {
    const number = /\d+$/.exec(match[2])?.[0];
    const found =
      number === undefined ? pages.trials(sweep, url.searchParams) : pages.trial(sweep, Number(number));
    if (found === null) return text(response, 404, "there is no such trial");
    response.writeHead(200, JSON_HEADERS).end(JSON.stringify(found));
    return;
  }
  if (match[2] === "/state") {
    const body = await pages.state(sweep);
    response.writeHead(200, { ...JSON_HEADERS, "content-encoding": "gzip" }).end(body);
    return;
  }
  response.writeHead(200, PAGE_HEADERS).end(pages.page(sweep));
}

function listen(server: Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", (cause: NodeJS.ErrnoException) => {
      const why =
        cause.code === "EADDRINUSE"
          ? "it is in use; choose another with --port"
          : `${cause.code ?? cause.message}; choose others with --host and --port`;
      reject(
        new InvalidInputError("unusable-address", `cannot listen on ${host}:${port}: ${why}`, { cause }),
      );
    });
    server.listen(port, host, resolve);
  });
}

/** Serves until closed. Throws InvalidInputError (`unknown-sweep`, `unusable-address`). */
export async function startUi({ store, sweep, host, port }: UiOptions): Promise<Ui> {
  if (sweep !== undefined) store.sweeps.get(sweep);
  const token = isLoopback(host) ? null : makeToken();
  const watch = new Watch(store);
  const pages = new Pages(store, watch);
  const server = createServer((request, response) => {
    const url = URL.canParse(request.url ?? "", "http://ui") ? new URL(request.url!, "http://ui") : null;
    if (url === null) return text(response, 400, "no such address");
    if (!admit(request, response, url, token)) return;
    answer(request, response, url, pages, sweep).catch((error: unknown) => {
      const message = error instanceof Error ? error.message : String(error);
      if (!response.headersSent) text(response, 500, `the page could not be made: ${message.split("\n")[0]}`);
      else response.destroy();
    });
  });
  await listen(server, host, port);
  // A very large sweep takes seconds to read: that begins before the first page is asked for. What is wrong with it, the page says.
  setImmediate(() => {
    try {
      const shown = pages.first(sweep);
      if (shown !== null) pages.page(shown);
    } catch {}
  });
  const { port: bound } = server.address() as AddressInfo;
  const shown = host.includes(":") && !host.startsWith("[") ? `[${host}]` : host;
  return {
    url: `http://${shown}:${bound}/${token === null ? "" : `?token=${token}`}`,
    close: () =>
      new Promise((resolve) => {
        watch.stop();
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
