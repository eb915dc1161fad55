// Errors in a command line, in one line: yargs' messages in plain words, with the nearest option or command
// for a misspelt one, and a pointer to --help.
import { nearest } from "../config/config-errors.ts";

/** Replacements for yargs' own texts, where it allows them; usageText parses the others. */
export const USAGE_STRINGS = {
  "Argument: %s, Given: %s, Choices: %s": "%s cannot be %s; it is one of %s",
  "Not enough arguments following: %s": "--%s needs a value",
  "Missing argument value: %s": { one: "--%s needs a value", other: "these need values: %s" },
  "Missing required argument: %s": { one: "%s is missing; add it", other: "these are missing: %s; add them" },
  "Not enough non-option arguments: got %s, need at least %s": {
    one: "an argument is missing: got %s, %s needed",
    other: "an argument is missing: got %s, %s needed",
  },
  "Too many non-option arguments: got %s, maximum of %s": {
    one: "there are too many arguments: got %s, at most %s",
    other: "there are too many arguments: got %s, at most %s",
  },
  "Arguments %s and %s are mutually exclusive": "give --%s or --%s, not both",
} as const;

export interface Usage {
  /** The typed words, without the program. */
  readonly args: readonly string[];
  /** Options of the command that yargs reached. */
  readonly options: readonly string[];
  /** Names of the program's commands. */
  readonly commands: readonly string[];
  /** Synopsis of the command that yargs reached, e.g. `sweep <config>`; absent without one. */
  readonly call?: string | undefined;
}

/** Names the missing argument by the command's synopsis. */
function missingText(line: string, { call }: Usage): string {
  const needed = call === undefined ? [] : [...call.matchAll(/<[^>]+>/g)].map(([argument]) => argument);
  if (!line.startsWith("an argument is missing") || needed.length === 0) return line;
  return `an argument is missing: edgefront ${call}`;
}

const typedAsOption = (args: readonly string[], name: string): boolean =>
  args.some(
    (arg) =>
      arg === `--${name}` || arg.startsWith(`--${name}=`) || (name.length === 1 && /^-[a-z]+$/i.test(arg)),
  );

/**
 * Describes options and arguments that no command takes. yargs repeats `--foo-bar` as `fooBar`; only the
 * typed form counts.
 */
function unknownText(names: readonly string[], { args, options, commands }: Usage): string {
  // yargs takes `--no-` for a negation, and leaves it out of the name.
  const option = names.flatMap((name) => [name, `no-${name}`]).find((name) => typedAsOption(args, name));
  if (option !== undefined) {
    const dashes = option.length === 1 ? "-" : "--";
    const best = nearest(
      option,
      options.filter((known) => known.length > 1),
    );
    return `there is no option ${dashes}${option}${best === null ? "" : `; did you mean --${best}?`}`;
  }
  const [first] = names;
  if (first === args[0] && !commands.includes(first!)) {
    const best = nearest(first!, commands);
    return `there is no command "${first}"${best === null ? "" : `; did you mean ${best}?`}`;
  }
  return `"${first}" is one argument too many; put quotes around a layout or a name with blanks`;
}

/** Adds the nearest choice to `format cannot be "cfg"; it is one of ...`. */
function withNearestChoice(text: string): string {
  const [, given, choices] = /cannot be "([^"]*)"; it is one of (.*)$/.exec(text) ?? [];
  if (given === undefined) return text;
  const best = nearest(
    given,
    [...choices!.matchAll(/"([^"]*)"/g)].map(([, choice]) => choice!),
  );
  return best === null ? text : `${text}; did you mean "${best}"?`;
}

/** Returns yargs' message as one plain line with a next step. */
export function usageText(message: string, usage: Usage): string {
  const line = message
    .trim()
    .replace(/\s*\n\s*/g, " ")
    .replace(/^Invalid values: /, "");
  // yargs stops at a missing command or argument, even if a misspelt option caused it: `--verson`, or an
  // unknown option that took the argument as its value. The unknown option is then the better message.
  const stray = usage.args
    .filter((arg) => arg.startsWith("--") && arg !== "--")
    .map((arg) => arg.slice(2).split("=")[0]!)
    .find((name) => !usage.options.includes(name.replace(/^no-/, "")));
  if (stray !== undefined && /^(no command is given|an argument is missing)/.test(line))
    return `${unknownText([stray], usage)} (see ${helpOf(usage)})`;
  const [, unknown] = /^Unknown (?:argument|command)s?: (.*)$/.exec(line) ?? [];
  const [, meant] = /^Did you mean (.*)\?$/.exec(line) ?? [];
  const text =
    unknown !== undefined
      ? unknownText(unknown.split(", "), usage)
      : meant !== undefined
        ? `there is no command "${mistyped(usage)}"; did you mean ${meant}?`
        : withNearestChoice(missingText(line, usage));
  return text.includes("--help") ? text : `${text} (see ${helpOf(usage)})`;
}

/** Returns the first word that is no command; for an action (`device ad`), the second word. */
function mistyped({ args, commands }: Usage): string {
  const words = args.filter((arg) => !arg.startsWith("-"));
  return (commands.includes(words[0] ?? "") ? words[1] : words[0]) ?? "";
}

const helpOf = ({ args, commands }: Usage): string =>
  commands.includes(args[0] ?? "") ? `edgefront ${args[0]} --help` : "edgefront --help";
