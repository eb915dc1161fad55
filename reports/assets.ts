// The page's script and style (reports/client/) as a bundle: read from the build, or bundled on demand when
// run from sources. Everything else in reports/ is a pure function of its arguments.
import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";

export interface ClientBundle {
  readonly script: string;
  readonly style: string;
}

let cached: ClientBundle | undefined;

/** Returns the page's script and style, from the build or bundled from sources. */
export function clientBundle(): ClientBundle {
  const [script, style] = [built("client.js", HERE), built("client.css", HERE)];
  cached ??=
    script && style
      ? { script: readFileSync(script, "utf8"), style: readFileSync(style, "utf8") }
      : bundleSources();
  return cached;
}

/** Folders of the build: beside a bundle of this module, or beside the command line's folder. */
const HERE = ["./", "../reports/"];

/** A file of the build, in the first of these folders that has it. */
const built = (name: string, folders: readonly string[]): string | undefined =>
  folders
    .map((folder) => fileURLToPath(new URL(`${folder}${name}`, import.meta.url)))
    .find((path) => existsSync(path));

function bundleSources(): ClientBundle {
  const esbuild = createRequire(import.meta.url)("esbuild") as typeof import("esbuild");
  const { outputFiles } = esbuild.buildSync({
    entryPoints: [fileURLToPath(new URL("./client/start-page.ts", import.meta.url))],
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
  /** The source, compressed, in base64; undefined where the build did not make it. */
  readonly packed: string | undefined;
}

let library: Plotly | undefined;

/**
 * Returns plotly.js-dist as minified by the build (4.8 MB of text, 2 MB in the page). From sources that were
 * never built, it is the installed file (10 MB, 2.6 MB in the page).
 */
export function plotly(): Plotly {
  const minified = built("plotly.js", [...HERE, "../dist/reports/"]);
  library ??= {
    source: readFileSync(minified ?? createRequire(import.meta.url).resolve("plotly.js-dist"), "utf8"),
    packed: existsSync(`${minified}.gz`) ? readFileSync(`${minified}.gz`, "base64") : undefined,
  };
  return library;
}
