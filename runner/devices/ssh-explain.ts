// Explains a failed connection or login: one error for each situation, with a next step. Errors contain no
// keys and no paths of keys.
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

/** Explains a refused login on a machine that answered with the right host key. */
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
      `accepted the key and requires a second factor: ${wants.join(", ")}`,
      canAsk()
        ? "Run the command again with the right answer"
        : "Run the command at a terminal, which asks for it; a sweep needs a login that a key alone opens",
    );
  if (/too many authentication failures/i.test(said))
    return refuse(
      `ended the login after ${count(notes.offered, "unknown key")} (its MaxAuthTries); the right key may not have been offered yet`,
      "Name the right key with --identity FILE, or with IdentityFile and `IdentitiesOnly yes` in ~/.ssh/config",
    );
  // The server accepts the key, but a missing passphrase or the agent prevents signing.
  if (notes.unsigned instanceof IdentityFileError) return notes.unsigned;
  if (notes.unsigned !== undefined && notes.accepted > 0)
    return refuse(
      `accepts the key, but ssh-agent ${sanitise(notes.unsigned.message)}`,
      "Confirm the use of the key if the agent asks, unlock the agent (`ssh-add -X`), or add the key again with ssh-add",
    );
  if (notes.takes !== null && !wants.includes("publickey"))
    return refuse(
      `accepts no keys, only ${others.join(", ") || "unknown methods"}`,
      canAsk()
        ? "Check the answer and the login name"
        : "Allow keys on the device (PubkeyAuthentication yes), or run the command at a terminal",
    );
  if (offers.keys.length === 0)
    return new IdentityFileError(
      `there is no key for ${where}${also}`,
      "Name one with --identity FILE, or start ssh-agent and add one with ssh-add",
    );
  return refuse(
    `refused ${notes.offered > 1 ? `all ${notes.offered} keys` : "the key"}${also}`,
    `Add the public key to the device's ~/.ssh/authorized_keys (ssh-copy-id -p ${port} ${user}@${host}), and check the login name ` +
      "(in Termux: whoami). Wait 30 s before the next try",
  );
}

const count = (n: number, what: string): string => `${n} ${what}${n === 1 ? "" : "s"}`;

/** Explains a failed connection. `greeted`: the machine had shown the right host key. */
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
        "Check the name, or add an alias to ~/.ssh/config",
      ];
    case "ECONNREFUSED":
      return [
        `nothing listens on ${where} (ECONNREFUSED)`,
        `Start sshd on the device, or name its port with --port: ${otherPort}`,
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
      `${where} accepted the connection and then sent nothing`,
      `Check that sshd listens on that port: ${otherPort}`,
    ];
  if (/before handshake/i.test(said))
    return [
      `${where} closed the connection without an SSH greeting`,
      `Check that sshd listens on that port (--port): ${otherPort}. A server with too many requests closes at once: wait 30 s`,
    ];
  if (/ident|version|packet|header|bad/i.test(said) && !greeted)
    return [
      `the server on ${where} does not speak SSH (${said})`,
      `Name sshd's port with --port: ${otherPort}`,
    ];
  if (/no matching/i.test(said))
    return [`${where} and edgefront have no algorithm in common (${said})`, askForOld(said)];
  return [
    `${where} cannot be reached: ${said}`,
    greeted
      ? "Run the command again; if it persists, read the device's sshd log"
      : "Check the address and the port. A server with too many requests closes at once: wait 30 s",
  ];
}
