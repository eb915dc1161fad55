// The interface to a device: lines in and out of one serving agent, and file uploads. Implementations:
// local-transport.ts, ssh-transport.ts. runner/agent/session.ts interprets the lines.

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
      /** The end of the agent's stderr, sanitised. */
      readonly stderr: string;
    }
  | { readonly kind: "lost"; readonly reason: string; readonly cause?: Error }
  /** The device sent more than the protocol allows, and the channel was cut. */
  | { readonly kind: "flooded"; readonly reason: string };

export interface ChannelHandlers {
  onLine(line: string): void;
  /** Called once; nothing follows it. */
  onEnd(end: ChannelEnd): void;
}

export interface AgentChannel {
  /** Sends a line, given without its newline. Never throws: onEnd reports a lost channel. */
  send(line: string): void;
  /** Ends the agent's stdin, so that the agent stops; cuts the channel if it does not within `graceMs`. */
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
  /**
   * Known once open. True if a forced command binds the login to an agent: uploads are impossible, and files
   * travel by `put` jobs.
   */
  readonly confined: boolean;
  /**
   * Connects to the device.
   * @throws UnreachableError, AuthenticationError, HostKeyChangedError, IdentityFileError.
   */
  open(): Promise<void>;
  /**
   * Uploads a file to the device's edgefront folder, unless it is there already, and verifies its hash.
   * @returns the path for the agent. @throws UploadError, TransportLostError.
   */
  upload(localPath: string, name: RemoteName, sha256: string, options?: UploadOptions): Promise<string>;
  /**
   * Starts `edgefront-agent serve`, which must have been uploaded. @throws TransportLostError,
   * AgentStartError.
   */
  serve(binary: AgentBinary, handlers: ChannelHandlers): Promise<AgentChannel>;
  close(): Promise<void>;
}

const SHA256 = /^[0-9a-f]{64}$/;
const REMOTE_NAME = /^[a-z0-9][a-z0-9._-]{0,127}(\/[a-z0-9][a-z0-9._-]{0,127}){0,7}$/;
declare const checked: unique symbol;
/** A path under the device's edgefront folder that no shell needs to quote. */
export type RemoteName = string & { readonly [checked]: true };

/**
 * Checks a name. @throws TypeError for a name that is not plain; the check guards against programming errors,
 * not users.
 */
export function remoteName(name: string): RemoteName {
  if (!REMOTE_NAME.test(name)) throw new TypeError(`not a plain remote name: ${JSON.stringify(name)}`);
  return name as RemoteName;
}

/**
 * Returns the remote name of an agent build.
 * @throws TypeError when the text is not a SHA-256 in hex.
 */
export function agentName(sha256: string): RemoteName {
  if (!SHA256.test(sha256)) throw new TypeError("not a SHA-256 in hex");
  return remoteName(`agents/${sha256}/edgefront-agent`);
}
