// The edge between the database and the program: every row that becomes an object passes a schema here, so that a file that was edited or
// damaged is named as such and not believed. Long lists of numbers, read for fronts and time lines, rely on STRICT tables instead.
import { z } from "zod";
import { InvalidInputError } from "../../candidates/errors.ts";
import { issueText } from "../../candidates/issues.ts";

export type Row = Record<string, unknown>;

export const now = (): string => new Date().toISOString();

/** A column of JSON text whose content has this form. */
export const jsonText = <S extends z.ZodType>(content: S) =>
  z
    .string()
    .transform((text) => JSON.parse(text) as unknown)
    .pipe(content);

/** A column of JSON text that whoever reads it checks. */
export const anyJson = jsonText(z.unknown());

/** JSON that this program wrote after it had passed the schema of T; old results need not pass the schema of today. */
export const jsonOf = <T>() => z.string().transform((text) => JSON.parse(text) as T);

/** @throws InvalidInputError (`damaged-database`) where a row of `table` is not what this program writes. */
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
