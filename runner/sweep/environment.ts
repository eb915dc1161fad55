// Describes the coordinator's machine. The description is stored with the sweep and printed in its report, so
// it holds no host name, user name or path.
import { cpus, release, totalmem, type } from "node:os";
import { gitCommit, VERSION } from "../base/version.ts";

/** Returns the description, by name as text. */
export function environment(): Readonly<Record<string, string>> {
  const commit = gitCommit();
  return {
    edgefront: VERSION,
    ...(commit === null ? {} : { commit }),
    node: process.version,
    os: `${type()} ${release()}`,
    cpu: cpus()[0]?.model.trim() ?? "unknown",
    cores: String(cpus().length),
    memory: `${(totalmem() / 2 ** 30).toFixed(1)} GiB`,
  };
}
