// Checks rows that leave the database: every row that becomes an object passes a schema here, so an edited or
// damaged file is reported instead of believed. Long lists of numbers, read for fronts and time lines, rely
// on STRICT tables instead.
import { z } from "zod";
import { InvalidInputError } from "../../candidates/errors.ts";
import { issueText } from "../../candidates/issues.ts";

export type Row = Record<string, unknown>;

/** Returns the present time as ISO 8601 text. */
export const now = (): string => new Date().toISOString();

/** Returns the schema of a JSON text column with this content. */
export const jsonText = <S extends z.ZodType>(content: S) =>
  z
    .string()
    .transform((text) => JSON.parse(text) as unknown)
    .pipe(content);

/** A JSON text column whose content the reader checks. */
export const anyJson = jsonText(z.unknown());

/**
 * Returns the schema of JSON that this program wrote after it had passed the schema of T. It is not checked
 * again, because old results may not pass today's schema.
 */
export const jsonOf = <T>() => z.string().transform((text) => JSON.parse(text) as T);

/**
 * Returns a function that checks a row of `table` and converts it.
 * @throws InvalidInputError (`damaged-database`) from that function when the row does not match the schema.
 */
export function rowReader<S extends z.ZodType>(table: string, schema: S): (row: unknown) => z.output<S> {
  const damaged = (why: string, cause: unknown): InvalidInputError =>
    new InvalidInputError(
      "damaged-database",
      `a row of table ${table} is not what edgefront writes (${why}); restore the database from a copy, or look at it with: sqlite3 FILE ".schema ${table}"`,
      { cause },
    );
  return (row) => {
    try {
      const parsed = schema.safeParse(row);
      if (parsed.success) return parsed.data;
      throw damaged(issueText(parsed.error), parsed.error);
    } catch (cause) {
      if (cause instanceof z.ZodError) throw damaged(issueText(cause), cause);
      if (cause instanceof SyntaxError) throw damaged(cause.message, cause);
      throw cause;
    }
  };
}
