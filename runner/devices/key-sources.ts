// The sources of a login's keys, from OpenSSH's configuration: files, certificates and an agent. They are
// paths, never keys, and stay in the user's configuration folder (identities.ts), out of the database.
import { homedir } from "node:os";
import { join } from "node:path";
import { z } from "zod";

const path = z.string().min(1).max(4096);

export const keySourcesSchema = z.strictObject({
  /** IdentityFile, in order; missing files are skipped. */
  identityFiles: z.array(path).max(100),
  /** CertificateFile. */
  certificateFiles: z.array(path).max(100).default([]),
  /** IdentityAgent: a socket, `$NAME` of a variable that holds one, or `none`. Absent: $SSH_AUTH_SOCK. */
  agent: path.optional(),
  /** IdentitiesOnly: use only those keys of an agent that a file names. */
  identitiesOnly: z.boolean().default(false),
});
export type KeySources = z.infer<typeof keySourcesSchema>;

const USUAL = ["id_rsa", "id_ecdsa", "id_ecdsa_sk", "id_ed25519", "id_ed25519_sk"];

/** Returns the files that OpenSSH tries by default. */
export const usualFiles = (): string[] => USUAL.map((name) => join(homedir(), ".ssh", name));

/** Returns the default sources of a login. */
export const usualSources = (): KeySources => ({
  identityFiles: usualFiles(),
  certificateFiles: [],
  identitiesOnly: false,
});

/** Returns the agent's socket; null if there is none. */
export function agentSocket({ agent }: KeySources, env: NodeJS.ProcessEnv = process.env): string | null {
  if (agent === undefined || agent === "SSH_AUTH_SOCK") return env.SSH_AUTH_SOCK || null;
  if (agent === "none") return null;
  return agent.startsWith("$") ? env[agent.slice(1)] || null : agent;
}
