// Schema version 12: the target of a job is stored in columns (job-target.ts), not only in its text. A
// repetition names its sources and its measurement or seed. A trial over budget has its violations as JSON
// beside the sentence.
import type Database from "better-sqlite3";

/**
 * The digits at the end of a training job's target are its seed. The text before the colon is its task, with
 * a rung as `@25%`.
 */
const columns = `
ALTER TABLE jobs ADD COLUMN source TEXT NOT NULL DEFAULT '';
ALTER TABLE jobs ADD COLUMN nth INTEGER NOT NULL DEFAULT 1;
ALTER TABLE jobs ADD COLUMN rung_percent REAL;
ALTER TABLE jobs ADD COLUMN confirmation INTEGER;

UPDATE jobs SET source = target WHERE kind = 'measure' AND instr(target, '#') = 0;
UPDATE jobs SET source = substr(target, 1, instr(target, '#') - 1), nth = CAST(substr(target, instr(target, '#') + 1) AS INTEGER)
  WHERE kind = 'measure' AND instr(target, '#') > 0 AND instr(target, '#confirm') = 0;
UPDATE jobs SET source = substr(target, 1, instr(target, '#confirm') - 1),
    confirmation = CAST(substr(target, instr(target, '#confirm') + 8) AS INTEGER),
    nth = CAST(substr(target, instr(target, '#confirm') + 9 + instr(substr(target, instr(target, '#confirm') + 9), '.')) AS INTEGER)
  WHERE kind = 'measure' AND instr(target, '#confirm') > 0;
UPDATE jobs SET source = substr(target, 1, length(rtrim(target, '0123456789')) - 1),
    nth = CAST(substr(target, length(rtrim(target, '0123456789')) + 1) AS INTEGER)
  WHERE kind = 'train';
UPDATE jobs SET confirmation = CAST(substr(source, instr(source, '#confirm') + 8) AS INTEGER),
    source = substr(source, 1, instr(source, '#confirm') - 1)
  WHERE kind = 'train' AND instr(source, '#confirm') > 0;
UPDATE jobs SET rung_percent = CAST(substr(source, instr(source, '@') + 1) AS REAL), source = substr(source, 1, instr(source, '@') - 1)
  WHERE kind = 'train' AND instr(source, '@') > 0;

ALTER TABLE repetitions ADD COLUMN sources TEXT NOT NULL DEFAULT '[]';
ALTER TABLE repetitions ADD COLUMN nth INTEGER NOT NULL DEFAULT 1;
UPDATE repetitions SET
  sources = (
    SELECT json_group_array(CASE kind WHEN 'measure' THEN substr(value, 1, instr(value, '#') - 1)
      ELSE substr(value, 1, length(rtrim(value, '0123456789')) - 1) END) FROM json_each(targets)),
  nth = (
    SELECT CASE kind WHEN 'measure' THEN CAST(substr(value, instr(value, '#') + 1) AS INTEGER)
      ELSE CAST(substr(value, length(rtrim(value, '0123456789')) + 1) AS INTEGER) END FROM json_each(targets) LIMIT 1);
ALTER TABLE repetitions DROP COLUMN targets;

ALTER TABLE trials ADD COLUMN over_budget TEXT;
`;

const SENTENCE = /(\S+) is (\S+), budget (max|min) ([^\s;,]+)/g;
const AGAIN = /, when it was (measured|trained) once more$/;

/**
 * The only code that parses the sentence: older databases hold nothing else. Its figures have four digits.
 */
function overBudgetOf(reason: string): string | null {
  const violations = [...reason.matchAll(SENTENCE)].map(([, metric, value, limit, bound]) => ({
    metric,
    limit,
    bound: Number(bound),
    value: Number(value),
  }));
  if (violations.length === 0 || violations.some(({ bound, value }) => Number.isNaN(bound + value)))
    return null;
  return JSON.stringify({ violations, again: AGAIN.exec(reason)?.[1] ?? null });
}

/** Adds the columns and fills them from the texts of earlier versions. */
export function targetsAndViolations(db: Database.Database): void {
  db.exec(columns);
  const over = db
    .prepare(
      "SELECT id, reason FROM trials WHERE state = 'infeasible' AND cause = 'over-budget' AND reason IS NOT NULL",
    )
    .all() as { id: number; reason: string }[];
  const put = db.prepare("UPDATE trials SET over_budget = ? WHERE id = ?");
  for (const { id, reason } of over) put.run(overBudgetOf(reason), id);
}
