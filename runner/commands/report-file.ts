// The default file of a sweep's report: report-NAME.html, or report-NAME-2.html if another file has that
// name. Only an earlier report of the same sweep is replaced.
import { closeSync, openSync, readSync, statSync } from "node:fs";
import { reportOf } from "../../reports/html.ts";

const HEAD_BYTES = 16_384;
const MOST = 1000;

/** Returns the beginning of a file; null if it cannot be read. */
function headOf(path: string): string | null {
  try {
    if (!statSync(path).isFile()) return null;
    const file = openSync(path, "r");
    try {
      const bytes = Buffer.alloc(HEAD_BYTES);
      return bytes.toString("utf8", 0, readSync(file, bytes, 0, HEAD_BYTES, 0));
    } finally {
      closeSync(file);
    }
  } catch {
    return null;
  }
}

const isThere = (path: string): boolean => {
  try {
    return statSync(path, { throwIfNoEntry: false }) !== undefined;
  } catch {
    return true;
  }
};

/** Returns the default file. `createdAt`: null for a sweep that does not exist yet and so has no report. */
export function defaultReport(name: string, createdAt: string | null): string {
  for (let n = 1; n < MOST; n++) {
    const path = `report-${name.replace(/[^\w.-]+/g, "_")}${n === 1 ? "" : `-${n}`}.html`;
    if (!isThere(path)) return path;
    const head = createdAt === null ? null : headOf(path);
    if (head?.includes(reportOf({ sweep: name, createdAt: createdAt! }).text)) return path;
  }
  return `report-${Date.now()}.html`;
}
