// The file a sweep's report goes to where none is named: report-NAME.html, or report-NAME-2.html where that name is taken by something
// else. Only an earlier report of the same sweep is ever replaced.
import { closeSync, openSync, readSync, statSync } from "node:fs";
import { reportOf } from "../../reports/html.ts";

const HEAD_BYTES = 16_384;
const MOST = 1000;

/** The beginning of a file; null where it is no file that can be read. */
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

/** `createdAt`: null for a sweep that does not exist yet, which cannot have a report. */
export function defaultReport(name: string, createdAt: string | null): string {
  for (let n = 1; n < MOST; n++) {
    const path = `report-${name.replace(/[^\w.-]+/g, "_")}${n === 1 ? "" : `-${n}`}.html`;
    if (!isThere(path)) return path;
    const head = createdAt === null ? null : headOf(path);
    if (head?.includes(reportOf({ sweep: name, createdAt: createdAt! }).text)) return path;
  }
  return `report-${Date.now()}.html`;
}
