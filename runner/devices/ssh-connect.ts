// Connections: to a device, or through one machine to the next, each with its host key pinned. Whatever goes wrong on the way becomes
// one error that says what happened and what mends it. What is done with a connection is ssh.ts's business.
import type { Duplex } from "node:stream";
import ssh2, { type ConnectConfig } from "ssh2";
import { sanitise } from "../../profilers/protocol.ts";
import {
  AuthenticationError,
  HostKeyChangedError,
  type RunnerError,
  UnreachableError,
} from "../agent/errors.ts";
import { authMethods, type Login } from "./credentials.ts";
import { fingerprint } from "./fingerprint.ts";

/** A machine on the way, pinned. */
export interface Endpoint extends Login {
  readonly host: string;
  readonly port?: number | undefined;
  readonly hostKey: string;
}
export interface ConnectOptions {
  readonly connectMs: number;
  readonly keepaliveMs: number;
  readonly keepaliveTries: number;
}
export const CONNECT: ConnectOptions = { connectMs: 20_000, keepaliveMs: 10_000, keepaliveTries: 4 };

/** Compressed, a packet of a hostile server could hold a thousand times its size. */
const ALGORITHMS = { compress: ["none"] } satisfies ConnectConfig["algorithms"];

type ClientError = Error & { level?: string; code?: string };
type Address = Pick<Endpoint, "host" | "port">;

export const addressOf = ({ user, host, port }: Endpoint): string => `${user}@${host}:${port ?? 22}`;

/** Several connections, each through the one before; the last is the device's. */
export class Connection {
  /** Those that have not closed yet: from the others no "close" will come. */
  readonly #open: Set<ssh2.Client>;

  private constructor(private readonly clients: readonly ssh2.Client[]) {
    this.#open = new Set(clients);
    for (const client of clients) client.once("close", () => this.#open.delete(client));
  }

  /** @throws UnreachableError, AuthenticationError, HostKeyChangedError, IdentityFileError; nothing is left open then. */
  static async open(endpoints: readonly Endpoint[], options: ConnectOptions = CONNECT): Promise<Connection> {
    const clients: ssh2.Client[] = [];
    try {
      for (const endpoint of endpoints) {
        const before = clients.at(-1);
        const sock = before && (await tunnel(before, endpoint));
        const client = await logIn(endpoint, options, sock);
        clients.push(client);
      }
    } catch (error) {
      for (const client of clients.toReversed()) client.destroy();
      throw error;
    }
    return new Connection(clients);
  }

  get client(): ssh2.Client {
    return this.clients.at(-1)!;
  }

  destroy(): void {
    for (const client of this.clients.toReversed()) client.destroy();
  }

  /** Ends it from the device's side back; what does not end by itself is cut. */
  async close(graceMs = 2000): Promise<void> {
    for (const client of [...this.#open].toReversed()) {
      if (!this.#open.has(client)) continue;
      const closed = new Promise<void>((resolve) => client.once("close", () => resolve()));
      client.end();
      const timer = setTimeout(() => client.destroy(), graceMs);
      await closed;
      clearTimeout(timer);
    }
  }
}

/** Connects only as far as the key exchange and returns the fingerprint; for `device add` to show and pin. */
export async function readHostKey(
  address: Address,
  through?: Connection,
  timeoutMs = 15_000,
): Promise<string> {
  const sock = through && (await tunnel(through.client, address));
  const client = new ssh2.Client();
  try {
    return await new Promise<string>((resolve, reject) => {
      let last: ClientError | undefined;
      client.on("error", (error) => {
        last ??= error;
      });
      client.on("close", () => reject(explain(last, address, false)));
      client.connect({
        ...(sock ? { sock } : { host: address.host, port: address.port ?? 22 }),
        username: "edgefront",
        readyTimeout: timeoutMs,
        algorithms: ALGORITHMS,
        hostVerifier: (key: Buffer) => {
          resolve(fingerprint(key));
          return false;
        },
      });
    });
  } finally {
    client.destroy();
  }
}

/** A stream to `address` as the machine behind `client` sees it. */
function tunnel(client: ssh2.Client, { host, port = 22 }: Address): Promise<Duplex> {
  return new Promise((resolve, reject) => {
    const refuse = (cause?: Error) =>
      reject(
        new UnreachableError(
          `the jump host could not connect to ${host}:${port}${cause ? ` (${sanitise(cause.message).slice(0, 300)})` : ""}`,
          "Check the address as the jump host sees it, and that its sshd allows TCP forwarding",
          { cause },
        ),
      );
    client.once("close", refuse);
    try {
      client.forwardOut("127.0.0.1", 0, host, port, (error, stream) => {
        client.off("close", refuse);
        if (error) refuse(error);
        else resolve(stream);
      });
    } catch (cause) {
      refuse(cause as Error);
    }
  });
}

async function logIn(
  endpoint: Endpoint,
  options: ConnectOptions,
  sock: Duplex | undefined,
): Promise<ssh2.Client> {
  const methods = await authMethods(endpoint);
  const { host, port = 22, user, hostKey } = endpoint;
  const client = new ssh2.Client();
  let seen: string | undefined;
  const config: ConnectConfig = {
    ...(sock ? { sock } : { host, port }),
    username: user,
    readyTimeout: options.connectMs,
    algorithms: ALGORITHMS,
    keepaliveInterval: options.keepaliveMs,
    keepaliveCountMax: options.keepaliveTries,
    // Also asked on every rekey.
    hostVerifier: (key: Buffer) => {
      seen = fingerprint(key);
      return seen === hostKey;
    },
    authHandler: methods,
  };
  return new Promise((resolve, reject) => {
    let last: ClientError | undefined;
    const refuse = () => {
      if (seen === undefined || seen === hostKey) return reject(explain(last, endpoint, seen !== undefined));
      reject(
        new HostKeyChangedError(
          `the host key of ${addressOf(endpoint)} is ${seen}, not the pinned ${hostKey}`,
          "If the device was set up anew, remove it and add it again; otherwise somebody else may be answering",
        ),
      );
    };
    client.on("error", (error) => {
      last ??= error;
    });
    client.once("close", refuse);
    client.once("ready", () => {
      client.off("close", refuse);
      if (!sock) client.setNoDelay(true);
      resolve(client);
    });
    client.connect(config);
  });
}

/** What a failed connection means. `greeted`: the host key had been seen and was right. */
function explain(
  error: ClientError | undefined,
  address: Address & { user?: string },
  greeted: boolean,
): RunnerError {
  const { host, port = 22, user } = address;
  const cause = error ? { cause: error } : {};
  if (error?.level === "client-authentication" && user !== undefined) {
    return new AuthenticationError(
      `${user}@${host}:${port} refused the key`,
      `Put the public key into ~/.ssh/authorized_keys there (ssh-copy-id -p ${port} ${user}@${host}), and check the login name ` +
        "(in Termux: whoami); wait 30 s before the next try",
      cause,
    );
  }
  const [what, mend] = diagnose(error, host, port, greeted);
  return new UnreachableError(what, mend, cause);
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
    return [`${where} and edgefront have no algorithm in common (${said})`, "Update the SSH server there"];
  return [
    `${where} cannot be reached: ${said}`,
    greeted
      ? "Try again; if it persists, look at the log of sshd there"
      : "Check the address and the port; a server that was asked too often closes at once: wait 30 s",
  ];
}
