// Removes a user's paths from stored and reported data: only the last part of a path is kept, and a layout
// file is replaced by its layout.
import { homedir, tmpdir } from "node:os";
import { basename } from "node:path";
import { layoutId } from "../../candidates/layout.ts";
import { namedLayouts } from "../../candidates/named.ts";
import { formatNotation, parseNotation } from "../../candidates/notation.ts";
import type { SweepConfig } from "./config.ts";
import { layoutFrom } from "./layouts.ts";

const shortened = (path: string): string => `.../${basename(path)}`;

/**
 * Matches paths that may lead to a user's folders: absolute, at home, above the configuration, or a file URL.
 */
const LEADS_AWAY = /^(?:~|\/|\\|[A-Za-z]:[\\/]|\.\.(?:$|[\\/])|file:)/;

const shorten = (value: string): string => (LEADS_AWAY.test(value) ? shortened(value) : value);

/** Shortens every text in a value of the configuration. */
function deeply(value: unknown): unknown {
  if (typeof value === "string") return shorten(value);
  if (Array.isArray(value)) return value.map(deeply);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, deeply(one)]));
}

/**
 * Returns an included layout as notation: the content of a file is stored with the sweep, so it stays known
 * without the file.
 */
function included(text: string): string {
  const isNotation = text.includes(":") && !LEADS_AWAY.test(text) && !text.endsWith(".json");
  if (isNotation || namedLayouts[text.toLowerCase()] !== undefined) return text;
  try {
    const layout = layoutFrom(text);
    const notation = formatNotation(layout);
    if (layoutId(parseNotation(notation)) === layoutId(layout)) return notation;
  } catch {
    // The file is gone or unreadable, so only its name is kept.
  }
  return /[\\/]/.test(text) ? shortened(text) : text;
}

/** Returns the configuration in its stored and reported form. A stored configuration stays unchanged. */
export function withoutPaths(config: SweepConfig): SweepConfig {
  const { score, space } = config;
  const { include } = space;
  const shown = {
    ...config,
    space: include === undefined ? space : { ...space, include: include.map(included) },
    score: score && {
      ...score,
      trainer: deeply(score.trainer),
      tasks: Object.fromEntries(
        Object.entries(score.tasks).map(([name, task]) => [
          name,
          { ...task, options: deeply(task.options), training: deeply(task.training) },
        ]),
      ),
    },
  };
  // JSON drops undefined values, so that stored and fresh configurations compare equal.
  return JSON.parse(JSON.stringify(shown)) as SweepConfig;
}

/**
 * Folders that are known to be the user's. Their names may hold blanks, after which the end of a path is
 * unclear.
 */
function knownFolders(): readonly string[] {
  const { XDG_CACHE_HOME = "" } = process.env;
  return [process.cwd(), homedir(), tmpdir(), XDG_CACHE_HOME]
    .filter((folder) => folder.length > 1)
    .sort((a, b) => b.length - a.length);
}

/** A folder in a message. It may hold blanks, so words between two paths may be lost with them. */
const FOLDERS = "(?:[^\\\\/:;,'\"`()<>\\n]+[\\\\/])";
const PATH = new RegExp(
  `(?<![\\w.~/-])(?:(?:~|[A-Za-z]:)[\\\\/]${FOLDERS}*|[\\\\/]${FOLDERS}+)([^\\s\\\\/:;,'"\`()<>]+)`,
  "g",
);

/** Returns a message in its stored form, with only the last part of each path. */
export const withoutPathsIn = (message: string): string =>
  knownFolders()
    .reduce((text, folder) => text.replaceAll(`${folder}/`, "/.../"), message)
    .replace(PATH, ".../$1");
