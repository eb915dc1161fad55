// The live report of a sweep: node:http, one address for each sweep, its state as JSON, and server-sent
// events for changes. The server only reads the database.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { InvalidInputError } from "../../candidates/errors.ts";
import type { Store } from "../store/store.ts";
import { admit, isLoopback, makeToken } from "./access.ts";
import type { Followed } from "./followed.ts";
import { addressOf, Pages } from "./pages.ts";
import { Watch } from "./watch.ts";

const HEARTBEAT_MS = 15_000;
/** Largest number of bytes sent to a reader that it has not read yet. */
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
  /** The sweep shown first; undefined: the newest. */
  readonly sweep: string | undefined;
  readonly host: string;
  /** 0: any free port. */
  readonly port: number;
}

export interface Ui {
  /** The address to open, with the token if needed. */
  readonly url: string;
  close(): Promise<void>;
}

function sendEvents(request: IncomingMessage, response: ServerResponse, url: URL, followed: Followed): void {
  response.writeHead(200, EVENT_HEADERS);
  response.write("retry: 1000\n\n");
  let behind = false;
  const send = (event: Buffer): void => {
    // A reader that does not read gets no more events; it fetches the state when it reads again.
    if (response.writableLength > BACKLOG_BYTES) behind = true;
    else response.write(event);
  };
  response.on("drain", () => {
    if (behind) response.write(followed.behind());
    behind = false;
  });
  const heartbeat = setInterval(() => response.write(": here\n\n"), HEARTBEAT_MS);
  // A browser that reconnects sends the last revision it had.
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

/** Decodes a part of an address; an invalid encoding names nothing. */
function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return "";
  }
}

/**
 * Answers a HEAD request for an endless or expensive address. Returns false for cheap addresses, which are
 * answered as a GET.
 */
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
  if (request.method !== "GET" && request.method !== "HEAD")
    return text(response, 405, "this server is read-only: it answers GET and HEAD");
  if (url.pathname === "/") {
    const sweep = pages.first(first);
    if (sweep === null)
      return text(
        response,
        200,
        "This database has no sweep. Start one with: edgefront sweep configs/quickstart.yaml. Then reload.",
      );
    response.writeHead(302, { ...HEADERS, location: addressOf(sweep) }).end();
    return;
  }
  const match = /^\/sweeps\/([^/]+)(\/events|\/state|\/trials(?:\/\d{1,9})?|\/against\/[^/]+)?$/.exec(
    url.pathname,
  );
  const sweep = match === null ? null : pages.find(decoded(match[1]!));
  if (match === null || sweep === null) return text(response, 404, "there is no such page");
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
          ? "the port is in use; choose another one, e.g. with --port 0"
          : `${cause.code ?? cause.message}; choose another address with --host and --port`;
      reject(
        new InvalidInputError("unusable-address", `cannot listen on ${host}:${port}: ${why}`, { cause }),
      );
    });
    server.listen(port, host, resolve);
  });
}

/**
 * Serves the report until closed.
 * @throws InvalidInputError (`unknown-sweep`, `unusable-address`).
 */
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
      if (!response.headersSent) text(response, 500, `the page cannot be made: ${message.split("\n")[0]}`);
      else response.destroy();
    });
  });
  await listen(server, host, port);
  // A very large sweep takes seconds to read, so reading begins before the first request. The page reports
  // errors of the sweep.
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
