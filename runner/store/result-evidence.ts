// The evidence of a result, by name as text: agent, instruction set, placement, weights, digests of contents,
// and how it was measured. SQLite extracts these few facts, because the JSON of results is large.
import type { ResultIdentity } from "../../profilers/identity.ts";
import type { Row } from "./database-row.ts";

/** Facts of a result, by their displayed name. */
const facts = {
  measure: {
    isa: "isa",
    threads: "threads",
    cores: "affinity",
    weights: "weightsFrom",
    output: "outputHash",
  },
  train: { isa: "isa", threads: "threads", steps: "steps", weights: "weightsHash" },
} as const;
const readings = { MHz: "frequencyMhz", "°C": "temperatureC" } as const;

/** The contents shown with a score. A measurement shows its agent and its probe. */
const TRAINED_ON: readonly string[] = ["corpus", "tokenizer", "data", "teacher"];

const HASH = /^[0-9a-f]{16,}$/;
const shown = (value: unknown): string => {
  if (typeof value === "number") return String(Number(value.toPrecision(4)));
  const text = String(value);
  if (HASH.test(text)) return text.slice(0, 12);
  return text.replace(/^\[|\]$/g, "").replaceAll(",", ", ");
};

const columns = (table: string, fields: Readonly<Record<string, string>>): string =>
  Object.entries(fields)
    .map(([name, path]) => `json_extract(${table}.result, '$.${path}') AS "${table}.${name}"`)
    .join(", ");

/** Columns for measurements as `m` and scores as `s`. */
export const evidenceColumns = `${columns("m", { ...facts.measure, ...readings })}, ${columns("s", facts.train)}`;

/** Returns the evidence from a row with `evidenceColumns`; empty for a job without a result. */
export function evidenceOf(row: Row, identity: ResultIdentity | null): Readonly<Record<string, string>> {
  const agent = (row.measured_by ?? row.trained_by) as string | null;
  if (agent === null) return {};
  const out: Record<string, string> = { agent: shown(agent) };
  const table = row.measured_by === null ? "s" : "m";
  for (const name of Object.keys({ ...facts.measure, ...facts.train, ...readings })) {
    const value = row[`${table}.${name}`];
    if (value !== undefined && value !== null) out[name] = shown(value);
  }
  if (row.emulated === 1) out.emulated = "yes";
  if (typeof row.cpu === "string") out.cpu = row.cpu;
  if (typeof row.probe_id === "number") out.probe = `#${row.probe_id}`;
  const contents = table === "s" ? TRAINED_ON : [];
  for (const [key, digest] of Object.entries(identity?.digests ?? {})) {
    const what = key.slice(0, key.indexOf(":"));
    if (contents.includes(what)) out[what] = shown(digest);
  }
  const differs = identity?.differs ?? [];
  if (differs.length > 0) out["differs in"] = differs.map((key) => key.replace(":", " of ")).join(", ");
  const flags = JSON.parse((row.flags as string | null) ?? "[]") as string[];
  if (flags.length > 0) out.flags = flags.join(", ");
  if (typeof row.drift === "number") out.drift = `${(100 * row.drift).toFixed(1)}%`;
  if (typeof row.objection === "string") out["not at rest"] = row.objection;
  if (typeof row.windows === "number" && row.windows > 1) out.windows = String(row.windows);
  return out;
}
