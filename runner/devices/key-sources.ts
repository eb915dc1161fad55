// Where the keys of a login come from, as OpenSSH's configuration says: files, certificates and an agent. Paths only, never keys; they stay in
// the user's configuration folder (identities.ts), out of the database.
import { homedir } from "node:os";
import { join } from "node:path";
import { z } from "zod";

const path = z.string().min(1).max(4096);

export const keySourcesSchema = z.strictObject({
  /** IdentityFile, in order; files that do not exist are passed over. */
  identityFiles: z.array(path).max(100),
  /** CertificateFile. */
  certificateFiles: z.array(path).max(100).default([]),
  /** IdentityAgent: a socket, `$NAME` of a variable that holds one, or `none`. Absent: $SSH_AUTH_SOCK. */
  agent: path.optional(),
  /** IdentitiesOnly: of an agent's keys only those that a file names. */
  identitiesOnly: z.boolean().default(false),
});
export type KeySources = z.infer<typeof keySourcesSchema>;

const USUAL = ["id_rsa", "id_ecdsa", "id_ecdsa_sk", "id_ed25519", "id_ed25519_sk"];

/** The files that OpenSSH tries where no configuration names any. */
export const usualFiles = (): string[] => USUAL.map((name) => join(homedir(), ".ssh", name));

/** Sources of a login that no configuration says anything of. */
export const usualSources = (): KeySources => ({
  identityFiles: usualFiles(),
  certificateFiles: [],
  identitiesOnly: false,
});

/** The socket of the agent to ask; null where there is none. */
export function agentSocket({ agent }: KeySources, env: NodeJS.ProcessEnv = process.env): string | null {
  if (agent === undefined || agent === "SSH_AUTH_SOCK") return env.SSH_AUTH_SOCK || null;
  if (agent === "none") return null;
  return agent.startsWith("$") ? env[agent.slice(1)] || null : agent;
}
