// Run by `npm run schema`: writes configs/sweep.schema.json.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { sweepJsonSchema } from "./config-schema.ts";
import { PACKAGE_ROOT } from "./version.ts";

writeFileSync(join(PACKAGE_ROOT, "configs", "sweep.schema.json"), sweepJsonSchema());
