// Plain text in a window of some width: prose wrapped at words, tables as columns while they fit and as one block a row where they
// do not. An infinite width (a pipe, a log) leaves lines whole.

/** Breaks words into lines of at most `width` characters after the indent; a longer word is cut. */
export function wrapWords(text: string, width: number, indent: string): string[] {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(" ")) {
    for (let rest = word; rest !== ""; rest = rest.slice(width)) {
      const piece = rest.slice(0, width);
      if (line !== "" && line.length + 1 + piece.length > width) {
        lines.push(indent + line);
        line = "";
      }
      line += (line === "" ? "" : " ") + piece;
    }
  }
  if (line !== "") lines.push(indent + line);
  return lines;
}

/** Lines that fit stay as they are; longer ones go on below their own indentation. */
export function wrapText(text: string, width: number): string {
  return text
    .split("\n")
    .flatMap((line) => {
      if (line.length <= width) return [line];
      const indent = /^ */.exec(line)![0].slice(0, width / 2);
      return wrapWords(line.trimStart(), width - indent.length, indent);
    })
    .join("\n");
}

/** A table whose first row is its head, cells padded to their widest; the columns named by `right` to the right. */
export function columns(
  rows: readonly (readonly string[])[],
  right: readonly number[],
  width: number,
): string {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  const line = (row: readonly string[]): string =>
    row
      .map((cell, column) =>
        right.includes(column) ? cell.padStart(widths[column]!) : cell.padEnd(widths[column]!),
      )
      .join("  ")
      .trimEnd();
  const lines = rows.map(line);
  return lines.every((one) => one.length <= width) ? lines.join("\n") : blocks(rows, width);
}

/** One block a row: its first cell, then each other cell beside its head. */
function blocks([head, ...rows]: readonly (readonly string[])[], width: number): string {
  const names = head!.slice(1);
  const widest = Math.max(...names.map((name) => name.length));
  const pad = widest <= width / 3 ? widest : 0;
  return rows
    .flatMap(([first, ...cells]) => [
      ...wrapWords(first!.trim(), width, ""),
      ...cells.flatMap((cell, n) =>
        wrapText(`  ${names[n]!.padEnd(pad)}  ${cell.trim()}`.trimEnd(), width).split("\n"),
      ),
    ])
    .join("\n");
}
