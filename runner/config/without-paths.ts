// What is stored and reported holds no paths of a user: of a path its last part stays, of a layout's file the layout itself.
import { homedir, tmpdir } from "node:os";
import { basename } from "node:path";
import { layoutId } from "../../candidates/layout.ts";
import { namedLayouts } from "../../candidates/named.ts";
import { formatNotation, parseNotation } from "../../candidates/notation.ts";
import type { SweepConfig } from "./config.ts";
import { layoutFrom } from "./layouts.ts";

const shortened = (path: string): string => `.../${basename(path)}`;

/** Begins where a user's folders do: absolute, at home, above the configuration, or a URL of a file. */
const LEADS_AWAY = /^(?:~|\/|\\|[A-Za-z]:[\\/]|\.\.(?:$|[\\/])|file:)/;

const shorten = (value: string): string => (LEADS_AWAY.test(value) ? shortened(value) : value);

/** Every text in a value of the configuration. */
function deeply(value: unknown): unknown {
  if (typeof value === "string") return shorten(value);
  if (Array.isArray(value)) return value.map(deeply);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, deeply(one)]));
}

/** A layout that the configuration includes: a file's content goes with the sweep, so that it is known whatever becomes of the file. */
function included(text: string): string {
  const isNotation = text.includes(":") && !LEADS_AWAY.test(text) && !text.endsWith(".json");
  if (isNotation || namedLayouts[text.toLowerCase()] !== undefined) return text;
  try {
    const layout = layoutFrom(text);
    const notation = formatNotation(layout);
    if (layoutId(parseNotation(notation)) === layoutId(layout)) return notation;
  } catch {
    // Gone or unreadable: its name has to do.
  }
  return /[\\/]/.test(text) ? shortened(text) : text;
}

/** The configuration as it is stored and reported. Applied to a stored one it changes nothing. */
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
  // JSON forgets what is undefined; stored and fresh configurations are compared.
  return JSON.parse(JSON.stringify(shown)) as SweepConfig;
}

/** Folders that are known to be the user's: their names may hold blanks, where a path could not be told from the words after it. */
function knownFolders(): readonly string[] {
  const { XDG_CACHE_HOME = "" } = process.env;
  return [process.cwd(), homedir(), tmpdir(), XDG_CACHE_HOME]
    .filter((folder) => folder.length > 1)
    .sort((a, b) => b.length - a.length);
}

/** A folder in a message: it may hold blanks, as the words between two paths then may too, which are lost with it. */
const FOLDERS = "(?:[^\\\\/:;,'\"`()<>\\n]+[\\\\/])";
const PATH = new RegExp(
  `(?<![\\w.~/-])(?:(?:~|[A-Za-z]:)[\\\\/]${FOLDERS}*|[\\\\/]${FOLDERS}+)([^\\s\\\\/:;,'"\`()<>]+)`,
  "g",
);

/** A message as it may be stored: of each path in it the last part. */
export const withoutPathsIn = (message: string): string =>
  knownFolders()
    .reduce((text, folder) => text.replaceAll(`${folder}/`, "/.../"), message)
    .replace(PATH, ".../$1");
