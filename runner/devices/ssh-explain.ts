// What a connection or a login that failed means, and what mends it: one error for each situation. Nothing of keys or paths is in them.
import { sanitise } from "../../profilers/protocol-fields.ts";
import type { Offers } from "./credentials.ts";
import {
  AuthenticationError,
  IdentityFileError,
  type RunnerError,
  UnreachableError,
} from "./device-errors.ts";
import { canAsk } from "./prompt.ts";
import type { Algorithms } from "./ssh-algorithms.ts";
import { askForOld } from "./ssh-algorithms.ts";
import type { LoginNotes } from "./ssh-login.ts";

export type ClientError = Error & { level?: string; code?: string | number };
export interface Address {
  readonly host: string;
  readonly port?: number | undefined;
  readonly algorithms?: Algorithms | undefined;
}

/** Why nobody was let in, though the machine answered and its host key was right. */
export function explainLogin(
  error: ClientError | undefined,
  { host, port = 22, user }: Address & { readonly user: string },
  notes: LoginNotes,
  offers: Offers,
): RunnerError {
  const where = `${user}@${host}:${port}`;
  const cause = error ? { cause: error } : {};
  const refuse = (what: string, mend: string): RunnerError =>
    new AuthenticationError(`${where} ${what}`, mend, cause);
  const wants = (notes.takes ?? []).filter((method) => method !== "none" && /^[a-z-]{1,40}$/.test(method));
  const others = wants.filter((method) => method !== "publickey");
  const also = offers.notes.length > 0 ? ` (${offers.notes.map(sanitise).join("; ")})` : "";
  const said = sanitise(error?.message ?? "");
  if (notes.partial)
    return refuse(
      `took the key and wants a second factor: ${wants.join(", ")}`,
      canAsk()
        ? "Try again with the right answer"
        : "Run this at a terminal to be asked for it; a sweep that reconnects needs a login for which a key is enough",
    );
  if (/too many authentication failures/i.test(said))
    return refuse(
      `ended the login after ${count(notes.offered, "key")} that it does not know (its MaxAuthTries); the right one may not have had its turn`,
      "Name the right key with --identity, or with IdentityFile and `IdentitiesOnly yes` in ~/.ssh/config",
    );
  // A passphrase or an agent stood in the way of a key that the server takes.
  if (notes.unsigned instanceof IdentityFileError) return notes.unsigned;
  if (notes.unsigned !== undefined && notes.accepted > 0)
    return refuse(
      `takes the key, but ssh-agent ${sanitise(notes.unsigned.message)}`,
      "Confirm the use of the key where the agent asks for it, unlock the agent (`ssh-add -X`), or add the key again with ssh-add",
    );
  if (notes.takes !== null && !wants.includes("publickey"))
    return refuse(
      `takes no keys, only ${others.join(", ") || "nothing that is known here"}`,
      canAsk()
        ? "Check the answer and the login name"
        : "Allow keys there (PubkeyAuthentication yes), or run this at a terminal",
    );
  if (offers.keys.length === 0)
    return new IdentityFileError(
      `there is no key to log in with${also}`,
      "Name one with --identity, or start ssh-agent and add one with ssh-add",
    );
  return refuse(
    `refused ${notes.offered > 1 ? `all ${notes.offered} keys` : "the key"}${also}`,
    `Put the public key into ~/.ssh/authorized_keys there (ssh-copy-id -p ${port} ${user}@${host}), and check the login name ` +
      "(in Termux: whoami); wait 30 s before the next try",
  );
}

const count = (n: number, what: string): string => `${n} ${what}${n === 1 ? "" : "s"}`;

/** What a failed connection means. `greeted`: the host key had been seen and was right. */
export function explainConnection(
  error: ClientError | undefined,
  address: Address,
  greeted: boolean,
): RunnerError {
  const { host, port = 22 } = address;
  const [what, mend] = diagnose(error, host, port, greeted);
  return new UnreachableError(what, mend, error ? { cause: error } : {});
}
function diagnose(
  error: ClientError | undefined,
  host: string,
  port: number,
  greeted: boolean,
): [string, string] {
  const where = `${host}:${port}`;
  const otherPort = port === 22 ? "Termux's sshd listens on 8022" : "the usual port is 22, Termux's 8022";
  switch (error?.code) {
    case "ENOTFOUND":
    case "EAI_AGAIN":
      return [
        `there is no host named ${host} (${error.code})`,
        "Check the name; an alias belongs into ~/.ssh/config",
      ];
    case "ECONNREFUSED":
      return [
        `nothing listens on ${where} (ECONNREFUSED)`,
        `Start sshd there, or name its port with --port: ${otherPort}`,
      ];
    case "EHOSTUNREACH":
    case "ENETUNREACH":
    case "ETIMEDOUT":
      return [
        `${where} does not answer (${error.code})`,
        "Check that the device is on, in this network, and not behind a firewall",
      ];
  }
  const said = sanitise(error?.message ?? "the connection was closed").slice(0, 300);
  if (error?.level === "client-timeout")
    return [
      `${where} took the connection and then said nothing`,
      `Check that sshd listens on that port: ${otherPort}`,
    ];
  if (/before handshake/i.test(said))
    return [
      `${where} closed the connection without an SSH greeting`,
      `Check that sshd listens on that port (--port): ${otherPort}; one that was asked too often closes at once: wait 30 s`,
    ];
  if (/ident|version|packet|header|bad/i.test(said) && !greeted)
    return [
      `what listens on ${where} does not speak SSH (${said})`,
      `Name sshd's port with --port: ${otherPort}`,
    ];
  if (/no matching/i.test(said))
    return [`${where} and edgefront have no algorithm in common (${said})`, askForOld(said)];
  return [
    `${where} cannot be reached: ${said}`,
    greeted
      ? "Try again; if it persists, look at the log of sshd there"
      : "Check the address and the port; a server that was asked too often closes at once: wait 30 s",
  ];
}
