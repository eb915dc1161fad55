// The JSON Schema of sweep files, for editors. `npm run schema` writes it; a test compares the committed file
// with this.
import { z } from "zod";
import { sweepSchema } from "./config.ts";

/** Returns the schema as JSON text. */
export function sweepJsonSchema(): string {
  const schema = z.toJSONSchema(sweepSchema, { io: "input", target: "draft-7" });
  return `${JSON.stringify({ title: "edgefront sweep", ...schema }, null, 2)}\n`;
}
