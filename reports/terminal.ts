// Plain text for a window of a given width: prose wrapped at words, tables as columns if they fit, else as
// one block per row. An infinite width (a pipe, a log) keeps lines whole.

/** Returns words in lines of at most `width` characters including the indent. A longer word is cut. */
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

/**
 * Returns wrapped text. Lines that fit stay unchanged. Longer ones continue at their own indentation, or
 * below the text after a short label.
 */
export function wrapText(text: string, width: number): string {
  return text
    .split("\n")
    .flatMap((line) => {
      if (line.length <= width) return [line];
      const [label] = /^ *(\S+ {2,})?/.exec(line)!;
      const start = label.length <= width / 2 ? label : /^ */.exec(line)![0].slice(0, width / 2);
      const lines = wrapWords(line.slice(start.length), width - start.length, " ".repeat(start.length));
      return [start + lines[0]!.slice(start.length), ...lines.slice(1)];
    })
    .join("\n");
}

const widest = (cells: readonly string[]): number => Math.max(0, ...cells.map(({ length }) => length));

/**
 * Returns a table whose first row is its head. Columns named by `right` are aligned right. If the table is
 * too wide, the heads take several lines; if that is not enough, every row becomes a block.
 */
export function columns(
  rows: readonly (readonly string[])[],
  right: readonly number[],
  width: number,
): string {
  const [head, ...body] = rows as [readonly string[], ...(readonly string[])[]];
  const line = (row: readonly string[], widths: readonly number[]): string =>
    row
      .map((cell, column) =>
        right.includes(column) ? cell.padStart(widths[column]!) : cell.padEnd(widths[column]!),
      )
      .join("  ")
      .trimEnd();
  const whole = head.map((_, column) => widest(rows.map((row) => row[column]!)));
  const lines = rows.map((row) => line(row, whole));
  if (widest(lines) <= width) return lines.join("\n");
  const narrow = head.map((name, column) =>
    Math.max(widest(name.split(" ")), widest(body.map((row) => row[column]!))),
  );
  const heads = head.map((name, column) => wrapWords(name, narrow[column]!, ""));
  const height = Math.max(...heads.map(({ length }) => length));
  const stacked = Array.from({ length: height }, (_, n) =>
    // Short heads are aligned to the bottom, directly above the values.
    heads.map((parts) => parts[n - height + parts.length] ?? ""),
  );
  const tighter = [...stacked, ...body].map((row) => line(row, narrow));
  return widest(tighter) <= width ? tighter.join("\n") : blocks(head, body, width);
}

/**
 * Returns names and their values, one per line. Values have their own column, and wrap within it where the
 * window is too narrow.
 */
export function facts(rows: readonly (readonly [name: string, value: string])[], width: number): string {
  const names = widest(rows.map(([name]) => name));
  // If names took more than half the window, values would have no room beside them.
  const indent = Math.min(names + 2, Math.floor(width / 2));
  return rows
    .map(([name, value]) => {
      const lines = wrapWords(value, width - indent, " ".repeat(indent));
      return [`${name.padEnd(indent)}${(lines[0] ?? "").trimStart()}`.trimEnd(), ...lines.slice(1)].join(
        "\n",
      );
    })
    .join("\n");
}

/**
 * Returns a table with one line per row if omitting columns makes this possible. Columns are omitted in the
 * order of `dispensable`.
 */
export function fewerColumns(
  rows: readonly (readonly string[])[],
  dispensable: readonly string[],
  width: number,
): string {
  const text = columns(rows, [], width);
  const goes = dispensable.find((name) => rows[0]!.includes(name));
  if (goes === undefined || text.split("\n").length === rows.length) return text;
  const at = rows[0]!.indexOf(goes);
  const left = rows.map((row) => row.toSpliced(at, 1));
  return fewerColumns(left, dispensable, width);
}

/** One block per row: its first cell, then each other cell beside its head. */
function blocks(head: readonly string[], rows: readonly (readonly string[])[], width: number): string {
  const names = head.slice(1);
  const pad = widest(names) <= width / 2 ? widest(names) : 0;
  return rows
    .flatMap(([first, ...cells]) => [
      ...wrapWords(first!.trim(), width, ""),
      ...cells.map((cell, n) => wrapText(`  ${names[n]!.padEnd(pad)}  ${cell.trim()}`.trimEnd(), width)),
    ])
    .join("\n");
}
