// Connections: to a device, or through one machine to the next, each with a pinned host key. A failure
// becomes one error with its cause and a next step. ssh-transport.ts uses the connection.
import type { Duplex } from "node:stream";
import ssh2, { type ConnectConfig } from "ssh2";
import { sanitise } from "../../profilers/protocol-fields.ts";
import { type Login, type Offers, offersOf } from "./credentials.ts";
import { Deadline } from "./deadline.ts";
import { HostKeyChangedError, type RunnerError, UnreachableError } from "./device-errors.ts";
import { fingerprint } from "./fingerprint.ts";
import { WasteMeter } from "./meter.ts";
import { type Algorithms, offer } from "./ssh-algorithms.ts";
import { dial } from "./ssh-dial.ts";
import { type ClientError, explainConnection, explainLogin } from "./ssh-explain.ts";
import { KeyLogin } from "./ssh-login.ts";

/** A machine on the way, with its pinned host key. */
export interface Endpoint extends Login {
  readonly host: string;
  readonly port?: number | undefined;
  readonly hostKey: string;
  /** Old algorithms to accept; see ssh-algorithms.ts. */
  readonly algorithms?: Algorithms | undefined;
}
export interface ConnectOptions {
  readonly connectMs: number;
  readonly keepaliveMs: number;
  readonly keepaliveTries: number;
}
export const CONNECT: ConnectOptions = { connectMs: 20_000, keepaliveMs: 10_000, keepaliveTries: 4 };

type Address = Pick<Endpoint, "host" | "port" | "algorithms">;
const TIMED_OUT = "Timed out while waiting for handshake";

/** Returns `user@host:port`. */
export const addressOf = ({ user, host, port }: Endpoint): string => `${user}@${host}:${port ?? 22}`;

/** Several connections, each through the previous one; the last is the device's. */
export class Connection {
  /** Connections that have not closed yet. A closed one sends no more "close". */
  readonly #open: Set<LoggedIn>;

  private constructor(private readonly hops: readonly LoggedIn[]) {
    this.#open = new Set(hops);
    for (const hop of hops) hop.client.once("close", () => this.#open.delete(hop));
  }

  /**
   * Connects to each endpoint through the one before.
   * @throws UnreachableError, AuthenticationError, HostKeyChangedError, IdentityFileError; no connection
   * stays open then.
   */
  static async open(endpoints: readonly Endpoint[], options: ConnectOptions = CONNECT): Promise<Connection> {
    const hops: LoggedIn[] = [];
    try {
      for (const endpoint of endpoints) {
        const before = hops.at(-1);
        const sock = before
          ? await tunnel(before.client, endpoint)
          : await reach(endpoint, options.connectMs);
        hops.push(await logIn(endpoint, options, sock, before?.waste));
      }
    } catch (error) {
      for (const { sock } of hops.toReversed()) sock.destroy();
      throw error;
    }
    return new Connection(hops);
  }

  get client(): ssh2.Client {
    return this.hops.at(-1)!.client;
  }

  /** Counts unrequested data from the device; users of the connection report requested data to it. */
  get waste(): WasteMeter {
    return this.hops.at(-1)!.waste;
  }

  /** Cuts the sockets: ssh2 does not close a socket that it has ended until the far side does. */
  destroy(): void {
    for (const { sock } of this.hops.toReversed()) sock.destroy();
  }

  /** Ends the connections from the device backwards, and cuts those that do not end in time. */
  async close(graceMs = 2000): Promise<void> {
    for (const hop of [...this.#open].toReversed()) {
      if (!this.#open.has(hop)) continue;
      const closed = new Promise<void>((resolve) => hop.client.once("close", () => resolve()));
      hop.client.end();
      const timer = setTimeout(() => hop.sock.destroy(), graceMs);
      await closed;
      clearTimeout(timer);
    }
  }
}

/**
 * Counts the data over `sock`. Data of an inner connection is requested here; the inner connection counts it
 * itself.
 */
function meter(client: ssh2.Client, sock: Duplex, outer: WasteMeter | undefined): WasteMeter {
  const waste = new WasteMeter(() => {
    client.emit("error", new Error("it sent far more data than was requested"));
    sock.destroy();
  });
  sock.on("data", (chunk: Buffer) => {
    outer?.wanted(chunk.length);
    waste.received(chunk.length);
  });
  return waste;
}

/** Opens a TCP connection. @throws UnreachableError. */
async function reach(address: Address, timeoutMs: number): Promise<Duplex> {
  try {
    const socket = await dial(address.host, address.port ?? 22, timeoutMs);
    return socket.setNoDelay(true).setMaxListeners(0);
  } catch (error) {
    throw explainConnection(error as ClientError, address, false);
  }
}

/**
 * Returns the host key's fingerprint, which `device add` shows and pins. Connects only as far as the key
 * exchange.
 */
export async function readHostKey(
  address: Address,
  through?: Connection,
  timeoutMs = 15_000,
): Promise<string> {
  const sock = through ? await tunnel(through.client, address) : await reach(address, timeoutMs);
  const client = new ssh2.Client();
  try {
    return await new Promise<string>((resolve, reject) => {
      let last: ClientError | undefined;
      client.on("error", (error) => {
        last ??= error as ClientError;
      });
      client.on("close", () => reject(explainConnection(last, address, false)));
      client.connect({
        sock,
        username: "edgefront",
        readyTimeout: timeoutMs,
        algorithms: offer(address.algorithms),
        hostVerifier: (key: Buffer) => {
          resolve(fingerprint(key));
          return false;
        },
      });
    });
  } finally {
    sock.destroy();
  }
}

/** Opens a stream to `address` from the machine behind `client`. */
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

interface LoggedIn {
  readonly client: ssh2.Client;
  readonly sock: Duplex;
  readonly waste: WasteMeter;
}

/** Logs in. `outer`: the meter of the connection that carries this one. */
async function logIn(
  endpoint: Endpoint,
  options: ConnectOptions,
  sock: Duplex,
  outer: WasteMeter | undefined,
): Promise<LoggedIn> {
  const offers = await offersOf(endpoint);
  const { user, hostKey, algorithms } = endpoint;
  const client = new ssh2.Client();
  const late: ClientError = Object.assign(new Error(TIMED_OUT), { level: "client-timeout" });
  const deadline = new Deadline(options.connectMs, () => {
    client.emit("error", late);
    sock.destroy();
  });
  const login = new KeyLogin({
    user,
    where: addressOf(endpoint),
    offers,
    sha1Signatures: algorithms?.sha1Signatures === true,
    patiently: deadline.patiently,
  });
  let seen: string | undefined;
  const config: ConnectConfig = {
    sock,
    username: user,
    readyTimeout: 0,
    algorithms: offer(algorithms),
    keepaliveInterval: options.keepaliveMs,
    keepaliveCountMax: options.keepaliveTries,
    // Called on every new key exchange too.
    hostVerifier: (key: Buffer) => {
      seen = fingerprint(key);
      return seen === hostKey;
    },
    authHandler: login.next,
  };
  try {
    return await new Promise((resolve, reject) => {
      let last: ClientError | undefined;
      const refuse = () => reject(whyNot(last, endpoint, seen, login, offers));
      client.on("error", (error) => {
        // A key that cannot sign is no error of the connection; the login tries the next key.
        if (!(error as { unsigned?: boolean }).unsigned) last ??= error as ClientError;
      });
      client.once("close", refuse);
      client.once("ready", () => {
        client.off("close", refuse);
        resolve({ client, sock, waste });
      });
      client.connect(config);
      login.attach(client);
      const waste = meter(client, sock, outer);
      // A server that closed the socket while keys were gathered did so before ssh2 listened, so ssh2 never
      // reports the end.
      sock.once("close", () => setImmediate(refuse));
      if (sock.destroyed) setImmediate(refuse);
    });
  } finally {
    deadline.end();
  }
}

/** Returns the reason of a failed login. `seen`: the host key that the machine showed. */
function whyNot(
  last: ClientError | undefined,
  endpoint: Endpoint,
  seen: string | undefined,
  { notes }: KeyLogin,
  offers: Offers,
): RunnerError {
  const { hostKey } = endpoint;
  if (seen !== undefined && seen !== hostKey)
    return new HostKeyChangedError(
      `the host key of ${addressOf(endpoint)} is ${seen}, but the pinned one is ${hostKey}`,
      "If the device was installed again, run edgefront device remove NAME and edgefront device add; otherwise another machine may be answering",
    );
  const refused =
    last?.level === "client-authentication" || /too many authentication failures/i.test(last?.message ?? "");
  // A server that listed its login methods and then closed the connection refused the login.
  if (refused || (notes.takes !== null && last === undefined))
    return explainLogin(last, endpoint, notes, offers);
  return explainConnection(last, endpoint, seen !== undefined);
}
