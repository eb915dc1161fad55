// Writes configs/sweep.schema.json; run by `npm run schema`.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { PACKAGE_ROOT } from "../base/version.ts";
import { sweepJsonSchema } from "./config-schema.ts";

writeFileSync(join(PACKAGE_ROOT, "configs", "sweep.schema.json"), sweepJsonSchema());
