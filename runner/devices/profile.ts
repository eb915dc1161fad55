// Device profiles: YAML files in configs/devices/, checked here. A registered device keeps its own copy, so
// that a database shows the conditions of its numbers even if the defaults change.
import { readdirSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { parse } from "yaml";
import { z } from "zod";
import { InvalidInputError } from "../../candidates/errors.ts";
import { measurementProfileSchema } from "../../profilers/device-profile.ts";
import { PACKAGE_ROOT } from "../base/version.ts";
import { describeIssues, suggestion } from "../config/config-errors.ts";

const NAME = /^[a-z0-9][a-z0-9-]{0,31}$/;

/** The contents of a profile file. */
export const profileFileSchema = measurementProfileSchema.extend({
  description: z.string().min(1).max(200),
  connection: z.strictObject({
    transport: z.enum(["ssh", "local"]),
    port: z
      .int()
      .min(1)
      .max(65_535)
      .default(22)
      .describe("Port of sshd where neither option nor ~/.ssh/config names one."),
    keepaliveSeconds: z.number().min(1).max(600).default(10),
    keepaliveTries: z
      .int()
      .min(1)
      .max(100)
      .default(4)
      .describe("Unanswered keepalives after which the device is lost."),
  }),
});
/** A profile as stored with a device. */
export const deviceProfileSchema = profileFileSchema.extend({ name: z.string().regex(NAME) });
export type DeviceProfile = z.infer<typeof deviceProfileSchema>;

const FOLDER = join(PACKAGE_ROOT, "configs", "devices");

export const profileNames: readonly string[] = readdirSync(FOLDER)
  .filter((file) => file.endsWith(".yaml"))
  .map((file) => file.slice(0, -".yaml".length))
  .sort();

/**
 * Parses and checks the YAML text of a profile. `source`: its file, for messages.
 * @throws InvalidInputError (`bad-profile`).
 */
export function parseProfile(name: string, text: string, source: string): DeviceProfile {
  let data: unknown;
  try {
    data = parse(text);
  } catch (cause) {
    const [line] = (cause as Error).message.split("\n");
    throw new InvalidInputError("bad-profile", `${source}: not valid YAML: ${line}`, { cause });
  }
  const parsed = profileFileSchema.safeParse(data);
  if (!parsed.success)
    throw new InvalidInputError(
      "bad-profile",
      `${source}: ${describeIssues(parsed.error, profileFileSchema)}`,
    );
  return { name, ...parsed.data };
}

/** Read once: every measurement asks for its profile, and parsing YAML took a sixth of the coordinator's time. */
const bundled = new Map<string, DeviceProfile>();

/**
 * Returns a profile of this package by name, or of a user's file.
 * @throws InvalidInputError (`unknown-profile`, `bad-profile`).
 */
export function profileNamed(name: string): DeviceProfile {
  if (/[./]/.test(name)) return profileFrom(name);
  if (!profileNames.includes(name)) {
    const hint = suggestion(name, profileNames);
    throw new InvalidInputError(
      "unknown-profile",
      `there is no device profile "${name}"${hint}; give --profile with one of ${profileNames.join(", ")}, or a .yaml file`,
    );
  }
  const known = bundled.get(name);
  if (known !== undefined) return known;
  const text = readFileSync(join(FOLDER, `${name}.yaml`), "utf8");
  const profile = parseProfile(name, text, `configs/devices/${name}.yaml`);
  bundled.set(name, profile);
  return profile;
}

/** Reads a user's profile, which is named after its file. */
function profileFrom(file: string): DeviceProfile {
  const name = basename(file).replace(/\.ya?ml$/, "");
  if (!NAME.test(name))
    throw new InvalidInputError(
      "bad-profile",
      `${file} is not a valid name for a profile; use lower-case letters, digits and hyphens, e.g. my-board.yaml`,
    );
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    throw new InvalidInputError(
      "unknown-profile",
      `the device profile ${file} cannot be read (${code}); give --profile with one of ${profileNames.join(", ")}, or a .yaml file`,
      { cause },
    );
  }
  return parseProfile(name, text, file);
}
