// The page's script and style (reports/client/), bundled: read from the build, or bundled on the spot when run from sources.
// Everything else in reports/ is a pure function of its arguments.
import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";

export interface ClientBundle {
  readonly script: string;
  readonly style: string;
}

let cached: ClientBundle | undefined;

export function clientBundle(): ClientBundle {
  cached ??= existsSync(built("js")) ? { script: read("js"), style: read("css") } : bundleSources();
  return cached;
}

const built = (extension: string): string => fileURLToPath(new URL(`./client.${extension}`, import.meta.url));
const read = (extension: string): string => readFileSync(built(extension), "utf8");

function bundleSources(): ClientBundle {
  const esbuild = createRequire(import.meta.url)("esbuild") as typeof import("esbuild");
  const { outputFiles } = esbuild.buildSync({
    entryPoints: [fileURLToPath(new URL("./client/main.ts", import.meta.url))],
    bundle: true,
    minify: true,
    format: "iife",
    target: "es2022",
    outdir: "client",
    write: false,
  });
  const text = (extension: string): string => outputFiles.find((file) => file.path.endsWith(extension))!.text;
  return { script: text(".js"), style: text(".css") };
}

export interface Plotly {
  readonly source: string;
  /** The source compressed, in base64; undefined where the build did not make it. */
  readonly packed: string | undefined;
}

let library: Plotly | undefined;

/**
 * plotly.js-dist as the build minified it (4.8 MB of text, 2 MB in the page); from sources that were never built, as installed
 * (10 MB, 2.6 MB in the page).
 */
export function plotly(): Plotly {
  const built = ["./plotly.js", "../dist/reports/plotly.js"]
    .map((path) => fileURLToPath(new URL(path, import.meta.url)))
    .find((path) => existsSync(path));
  library ??= {
    source: readFileSync(built ?? createRequire(import.meta.url).resolve("plotly.js-dist"), "utf8"),
    packed: existsSync(`${built}.gz`) ? readFileSync(`${built}.gz`, "base64") : undefined,
  };
  return library;
}
