// Logs in after the host key was checked, as OpenSSH's client does: asks for the server's methods, offers one
// key after the other, and answers questions at a terminal. Records the course of the login; ssh-explain.ts
// explains failures.

import type { AuthHandlerMiddleware, ParsedKey } from "ssh2";
import ssh2 from "ssh2";
import { sanitise } from "../../profilers/protocol-fields.ts";
import type { OfferedKey, Offers } from "./credentials.ts";
import { ask, askSecret, canAsk } from "./prompt.ts";
import { type PublicKey, text } from "./ssh-wire.ts";

/** The course of a login. */
export interface LoginNotes {
  /** Number of keys offered to the server, and number it accepted. */
  offered: number;
  accepted: number;
  /** A key was accepted, and the server requires another factor. */
  partial: boolean;
  /** The server's methods (RFC 4252); null while unknown. */
  takes: readonly string[] | null;
  /** The last reason why an accepted key could not sign. */
  unsigned: Error | undefined;
  /** Number of questions asked at the terminal. */
  asked: number;
}
export interface LoginOptions {
  readonly user: string;
  readonly where: string;
  readonly offers: Offers;
  readonly sha1Signatures: boolean;
  /** Pauses the login's deadline while `run` waits for a person. */
  readonly patiently: <T>(run: () => Promise<T>) => Promise<T>;
}

const MAX_ASKED = 12;
const MAX_PROMPT = 400;

/**
 * Internal parts of ssh2 that our signatures need: no public call accepts a later signature or a certificate.
 */
interface Protocol {
  authPK(user: string, key: ParsedKey, algorithm?: string, sign?: unknown): void;
  readonly _kex: { readonly sessionID: Buffer };
  readonly _authsQueue: string[];
  readonly _packetRW: {
    readonly write: { readonly allocStart: number; alloc(n: number): Buffer; finalize(b: Buffer): Buffer };
  };
  readonly _cipher: { encrypt(packet: Buffer): void };
}
type SignStep = (data: Buffer, done: (signature: Buffer) => void) => void;

/** A key in ssh2's form whose signatures are made elsewhere. */
interface Shown extends ParsedKey {
  failure?: Error;
}

/** Any key works: ssh2 recognises its own keys by a mark that only its parser sets. */
const MARK = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

function shownKey(key: PublicKey): Shown {
  const base = ssh2.utils.parseKey(MARK) as ParsedKey;
  const type = key.isCertificate
    ? key.blob
        .subarray(4, 4 + key.blob.readUInt32BE(0))
        .toString("latin1")
        .replace(/^ssh-rsa/, "rsa-sha2-512")
    : key.type;
  const shown: Shown = Object.assign(Object.create(base), {
    type,
    getPublicSSH: () => key.blob,
    isPrivateKey: () => true,
    sign: () => shown.failure ?? new Error("nothing was signed"),
  });
  return shown;
}

export class KeyLogin {
  readonly notes: LoginNotes = {
    offered: 0,
    accepted: 0,
    partial: false,
    takes: null,
    unsigned: undefined,
    asked: 0,
  };
  readonly #shown = new WeakMap<ParsedKey, OfferedKey>();
  #left: OfferedKey[];
  /** The key offered now. */
  #current: OfferedKey | undefined;
  #begun = false;
  #passwords = 0;

  constructor(private readonly options: LoginOptions) {
    this.#left = [...options.offers.keys];
  }

  /** ssh2's authHandler: passes on the next method, or false to give up. */
  readonly next: AuthHandlerMiddleware = (takes, partial, done) => {
    if (partial) {
      this.notes.partial = true;
      // Another key may be the second factor, but not the same key.
      this.#left = this.options.offers.keys.filter((key) => key !== this.#current);
    }
    if (takes) this.notes.takes = takes;
    const { user: username } = this.options;
    if (!this.#begun) {
      this.#begun = true;
      // The method "none" uses no try and returns the server's methods.
      return done({ type: "none", username });
    }
    this.#choose().then(
      (choice) => done(choice as never),
      (error: unknown) => {
        this.notes.unsigned = error as Error;
        this.next(null as never, null as never, done);
      },
    );
  };

  async #choose(): Promise<object | false> {
    const { user: username } = this.options;
    const takes = (method: string): boolean => this.notes.takes?.includes(method) ?? method === "publickey";
    const offered = takes("publickey") ? this.#left.shift() : undefined;
    if (offered !== undefined) {
      this.#current = offered;
      const key = shownKey(await this.options.patiently(() => offered.publicKey()));
      this.#shown.set(key, offered);
      this.notes.offered++;
      return { type: "publickey", username, key };
    }
    if (!canAsk()) return false;
    if (takes("keyboard-interactive") && this.#passwords < 3) {
      this.#passwords++;
      return { type: "keyboard-interactive", username, prompt: this.#prompt };
    }
    if (takes("password") && !takes("keyboard-interactive") && this.#passwords < 3) {
      this.#passwords++;
      const question = `Password of ${this.options.where}: `;
      return {
        type: "password",
        username,
        password: await this.options.patiently(() => askSecret(question)),
      };
    }
    return false;
  }

  /** Shows a server's sanitised questions at the terminal. */
  readonly #prompt = (
    name: string,
    instructions: string,
    _language: string,
    prompts: { prompt: string; echo?: boolean }[],
    done: (answers: string[]) => void,
  ): void => {
    const harmless = (words: string): string => sanitise(words).slice(0, MAX_PROMPT);
    const run = async (): Promise<string[]> => {
      const answers: string[] = [];
      const heading = [name, instructions].map(harmless).filter(Boolean).join(": ");
      for (const [i, { prompt, echo }] of prompts.entries()) {
        if (++this.notes.asked > MAX_ASKED) throw new Error("asks without end");
        const lead = i === 0 && heading !== "" ? `${this.options.where} says: ${heading}\n` : "";
        const question = `${lead}${this.options.where} asks: ${harmless(prompt)} `;
        answers.push(await (echo ? ask(question) : askSecret(question)));
      }
      return answers;
    };
    this.options.patiently(run).then(done, () => done([]));
  };

  /**
   * Makes ssh2 sign with the offered keys, wherever their private half is. Call it once `client` is
   * connecting.
   */
  attach(client: ssh2.Client): void {
    const protocol = (client as unknown as { _protocol: Protocol })._protocol;
    const original = protocol.authPK;
    protocol.authPK = (user, key, algorithm, sign) => {
      const offered = this.#shown.get(key);
      const chosen = this.#strong(algorithm ?? key.type);
      if (offered === undefined || sign === undefined) return original.call(protocol, user, key, chosen);
      this.notes.accepted++;
      const shown = key as Shown;
      const blob = key.getPublicSSH();
      const request = (flag: number): Buffer =>
        Buffer.concat([
          Buffer.of(50), // SSH_MSG_USERAUTH_REQUEST
          text(user),
          text("ssh-connection"),
          text("publickey"),
          Buffer.of(flag),
          text(chosen),
          text(blob),
        ]);
      const data = Buffer.concat([text(protocol._kex.sessionID), request(1)]);
      this.options
        .patiently(() => offered.sign(data, chosen))
        .then(
          (signature) => send(protocol, Buffer.concat([request(1), text(signature)])),
          (error: Error) => {
            this.notes.unsigned = error;
            shown.failure = Object.assign(new Error("the key does not sign"), { unsigned: true });
            // ssh2 now asks the key itself, gets the failure, and tries the next key.
            (sign as SignStep)(data, () => {});
          },
        );
    };
  }

  /** Uses SHA-1 only on request: a server that does not list its algorithms is assumed to know SHA-2. */
  #strong(algorithm: string): string {
    return algorithm === "ssh-rsa" && !this.options.sha1Signatures ? "rsa-sha2-256" : algorithm;
  }
}

function send(protocol: Protocol, payload: Buffer): void {
  const { write } = protocol._packetRW;
  const packet = write.alloc(payload.length);
  payload.copy(packet, write.allocStart);
  protocol._authsQueue.push("publickey");
  protocol._cipher.encrypt(write.finalize(packet));
}
