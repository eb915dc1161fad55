// Examples in --help that can be pasted. yargs would break long lines between two columns, in the middle of a
// command.

/** Longest line of a command; a longer one continues after a backslash. */
const MOST = 74;

/** Splits at blanks, but not inside quotes. */
const wordsOf = (command: string): string[] => command.match(/(?:[^\s'"]|'[^']*'|"[^"]*")+/g) ?? [];

function broken(command: string): string[] {
  const lines: string[] = [];
  for (const word of wordsOf(command.replaceAll("$0", "edgefront"))) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + 1 + word.length <= MOST)
      lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(last === undefined ? word : `  ${word}`);
  }
  return lines.map((line, n) => (n < lines.length - 1 ? `${line} \\` : line));
}

/** Returns a comment that says what the command does, and the command, each over the whole width. */
export const example = (command: string, does: string): [string, string][] => [
  [`# ${does}`, ""],
  ...broken(command).map((line): [string, string] => [line, ""]),
];
