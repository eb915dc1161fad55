// How the coordinator reaches a device: bytes in and out of one serving agent, and files put there. Implementations: local-transport.ts,
// ssh-transport.ts. What the lines mean is runner/agent/session.ts's business.

export interface AgentBinary {
  readonly path: string;
  readonly sha256: string;
}

/** Why a channel ended. */
export type ChannelEnd =
  | {
      readonly kind: "exited";
      readonly code: number | null;
      readonly signal: string | null;
      /** The last of what the agent wrote to stderr, sanitised. */
      readonly stderr: string;
    }
  | { readonly kind: "lost"; readonly reason: string; readonly cause?: Error }
  /** The device sent more than the protocol allows; the channel was cut. */
  | { readonly kind: "flooded"; readonly reason: string };

export interface ChannelHandlers {
  onLine(line: string): void;
  /** Called once; nothing follows it. */
  onEnd(end: ChannelEnd): void;
}

export interface AgentChannel {
  /** One line, without its newline. Never throws: a channel that is gone says so through onEnd. */
  send(line: string): void;
  /** Ends the agent's stdin, so that it stops by itself; cuts the channel if it does not within `graceMs`. */
  close(graceMs?: number): Promise<void>;
  /** Cuts the channel at once. */
  kill(): void;
}

export interface UploadOptions {
  readonly executable?: boolean;
  readonly signal?: AbortSignal;
}

export interface Transport {
  readonly kind: "local" | "ssh";
  /** True once open where the login is bound to an agent by a forced command: nothing can be uploaded here, `put` jobs take files. */
  readonly confined: boolean;
  /** Connects. @throws UnreachableError, AuthenticationError, HostKeyChangedError, IdentityFileError. */
  open(): Promise<void>;
  /**
   * Puts a file into the device's edgefront folder unless it is there already, verified by its hash after the transfer.
   * @returns the path by which the agent can open it. @throws UploadError, TransportLostError.
   */
  upload(localPath: string, name: RemoteName, sha256: string, options?: UploadOptions): Promise<string>;
  /** Starts `edgefront-agent serve`, which must have been uploaded. @throws TransportLostError, AgentStartError. */
  serve(binary: AgentBinary, handlers: ChannelHandlers): Promise<AgentChannel>;
  close(): Promise<void>;
}

const SHA256 = /^[0-9a-f]{64}$/;
const REMOTE_NAME = /^[a-z0-9][a-z0-9._-]{0,127}(\/[a-z0-9][a-z0-9._-]{0,127}){0,7}$/;
declare const checked: unique symbol;
/** A path under the device's edgefront folder that needs no quoting in any shell. */
export type RemoteName = string & { readonly [checked]: true };

/** @throws TypeError for a name that is not plain: this guards against mistakes here, not against users. */
export function remoteName(name: string): RemoteName {
  if (!REMOTE_NAME.test(name)) throw new TypeError(`not a plain remote name: ${JSON.stringify(name)}`);
  return name as RemoteName;
}

export function agentName(sha256: string): RemoteName {
  if (!SHA256.test(sha256)) throw new TypeError("not a SHA-256 in hex");
  return remoteName(`agents/${sha256}/edgefront-agent`);
}
