// A malicious SSH server: it floods, stalls, lies and writes escape sequences. Each case ends soon in one
// clean error. The coordinator's memory and terminal are unharmed. Scripted with ssh2's own server, because
// no real sshd behaves like this.
import { createHash, generateKeyPairSync } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import ssh2, { type Connection, type ServerChannel, type Session, type SFTPWrapper } from "ssh2";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { openSession } from "../../runner/agent/open-session.ts";
import type { SshDeviceRecord } from "../../runner/devices/device-record.ts";
import { fingerprint } from "../../runner/devices/fingerprint.ts";
import { SshFiles } from "../../runner/devices/ssh-files.ts";
import { Steps } from "../../runner/devices/ssh-step.ts";
import { SshTransport } from "../../runner/devices/ssh-transport.ts";
import { agentName, remoteName } from "../../runner/devices/transport.ts";

const QUICK = { connectMs: 4000, stepMs: 1500, keepaliveMs: 300, keepaliveTries: 3 };
const NASTY = "\u001b]0;owned\u0007\u001b[2J<script>alert(1)</script>\r\nsecond line\u202e";
const pem = () =>
  generateKeyPairSync("rsa", {
    modulusLength: 2048,
    privateKeyEncoding: { type: "pkcs1", format: "pem" },
    publicKeyEncoding: { type: "pkcs1", format: "pem" },
  }).privateKey;
const shown = (error: unknown): string => `${(error as Error).message}`;

interface Behaviour {
  readonly connection?: (connection: Connection) => void;
  readonly exec?: (channel: ServerChannel, command: string, session: Session) => void;
  readonly sftp?: (sftp: SFTPWrapper) => void;
}

describe("a hostile SSH server", () => {
  let folder: string;
  let identityFile: string;
  const hostKeyText = pem();
  const hostKey = fingerprint((ssh2.utils.parseKey(hostKeyText) as ssh2.ParsedKey).getPublicSSH());
  let server: ssh2.Server | undefined;
  const commands: string[] = [];
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "edgefront-hostile-ssh-"));
    identityFile = join(folder, "key");
    writeFileSync(identityFile, pem(), { mode: 0o600 });
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  afterEach(() => {
    server?.close();
    commands.length = 0;
  });

  const listen = async ({ connection, exec, sftp }: Behaviour): Promise<number> => {
    server = new ssh2.Server({ hostKeys: [hostKeyText] }, (client) => {
      client.on("error", () => {});
      client.on("authentication", (context) => context.accept());
      connection?.(client);
      client.on("ready", () => {
        client.on("session", (accept) => {
          const session = accept();
          session.on("exec", (acceptExec, _reject, { command }) => {
            commands.push(command);
            const channel = acceptExec();
            channel.on("error", () => {});
            if (exec) exec(channel, command, session);
            else channel.end("Linux x86_64\n");
          });
          session.on("sftp", (acceptSftp) => sftp?.(acceptSftp()));
        });
      });
    });
    await new Promise<void>((resolve) => server!.listen(0, "127.0.0.1", resolve));
    return (server.address() as { port: number }).port;
  };
  const record = (port: number): SshDeviceRecord => ({
    name: "hostile",
    transport: "ssh",
    host: "127.0.0.1",
    port,
    user: "u",
    identityFile,
    hostKey,
    target: "x86_64-linux",
  });
  const opened = async (behaviour: Behaviour) => {
    const transport = new SshTransport({ ...record(await listen(behaviour)), timeouts: QUICK });
    const error = await transport.open().then(
      () => undefined,
      (e: unknown) => e,
    );
    return { transport, error };
  };
  const clean = (text: string) => {
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not be there
    expect(text).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u202a-\u202e]/);
    expect(text.length).toBeLessThan(1500);
  };

  it("that answers the first command without end is disconnected", async () => {
    const before = process.memoryUsage().rss;
    const { transport, error } = await opened({
      exec: (channel) => {
        const more = (): void => {
          while (channel.write("x".repeat(30_000)));
          channel.once("drain", more);
        };
        more();
      },
    });
    expect(error).toMatchObject({ code: "agent-start" });
    await transport.close();
    expect(process.memoryUsage().rss - before).toBeLessThan(200e6);
  });

  it("that never answers is left in time", async () => {
    const { transport, error } = await opened({ exec: () => {} });
    expect(error).toMatchObject({ code: "transport-lost" });
    await transport.close();
  });

  it("that writes escape sequences has them made harmless", async () => {
    const { transport, error } = await opened({ exec: (channel) => channel.end(NASTY) });
    expect(error).toBeUndefined();
    expect(transport.identity).toMatchObject({ system: null, termux: null, confined: false });
    clean(transport.identity.said);
    await transport.close();
  });

  it("that greets like an agent under a forced command, and is none", async () => {
    const hello = {
      v: 1,
      type: "hello",
      agent: "edgefront-agent",
      version: NASTY,
      arch: "x86_64",
      pid: 1,
      confined: true,
      sha256: "00",
    };
    const port = await listen({
      exec: (channel) => channel.write(`${JSON.stringify(hello)}\n`, () => channel.close()),
    });
    const sha256 = createHash("sha256").update("agent").digest("hex");
    const path = join(folder, "agent");
    writeFileSync(path, "agent");
    const error = await openSession(record(port), { binary: { path, sha256 } }).catch((e: unknown) => e);
    expect(error).toMatchObject({ code: "agent-start", message: expect.stringContaining("another build") });
    clean(shown(error));
    // Whatever the server sent, it received only our own two constant commands.
    expect(new Set(commands)).toEqual(
      new Set([
        'echo edgefront-begins; uname -sm; env | grep "^TERMUX_VERSION="; echo edgefront-ends',
        `exec .edgefront/agents/${sha256}/edgefront-agent serve`,
      ]),
    );
  });

  it("that cuts the line with a message has it made harmless", async () => {
    const { transport, error } = await opened({
      connection: (client) => client.on("ready", () => client.end()),
    });
    expect(error).toMatchObject({ blame: "device" });
    clean(shown(error));
    await transport.close();
  });

  it("that wants channels of its own, or to compress, gets neither", async () => {
    const refused: (Error | undefined)[] = [];
    const { transport, error } = await opened({
      connection: (client) =>
        client.on("ready", () => {
          client.forwardOut("127.0.0.1", 22, "127.0.0.1", 1, (refusal) => refused.push(refusal));
          client.x11("127.0.0.1", 1, (refusal) => refused.push(refusal));
          client.openssh_forwardOutStreamLocal("/run/x", (refusal) => refused.push(refusal));
        }),
    });
    expect(error).toBeUndefined();
    await expect.poll(() => refused.length).toBe(3);
    for (const refusal of refused) expect(refusal?.message).toMatch(/Channel open failure/);
    await transport.close();
    server?.close();

    server = new ssh2.Server(
      { hostKeys: [hostKeyText], algorithms: { compress: ["zlib@openssh.com", "zlib"] } },
      (client) => client.on("error", () => {}),
    );
    await new Promise<void>((resolve) => server!.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as { port: number };
    const only = new SshTransport({ ...record(port), timeouts: QUICK });
    await expect(only.open()).rejects.toMatchObject({
      code: "unreachable",
      message: expect.stringContaining("no algorithm in common"),
    });
  });

  const upload = async (sftp: (wrapper: SFTPWrapper) => void) => {
    const { transport, error } = await opened({ sftp });
    expect(error).toBeUndefined();
    const file = join(folder, "file");
    writeFileSync(file, "0123456789");
    const sha256 = createHash("sha256").update("0123456789").digest("hex");
    const result = await transport.upload(file, remoteName("models/x"), sha256).catch((e: unknown) => e);
    await transport.close();
    return result;
  };
  const { OPEN_MODE: _modes, STATUS_CODE } = ssh2.utils.sftp;
  const attributes = { mode: 0o100600, uid: 0, gid: 0, size: 10, atime: 0, mtime: 0 };

  it("whose files never end costs neither memory nor time", async () => {
    const before = process.memoryUsage().rss;
    const result = await upload((sftp) => {
      sftp.on("STAT", (id) => sftp.attrs(id, attributes));
      sftp.on("FSTAT", (id) => sftp.attrs(id, attributes));
      sftp.on("OPEN", (id) => sftp.handle(id, Buffer.from("h")));
      sftp.on("READ", (id, _handle, _offset, length) => sftp.data(id, Buffer.alloc(length)));
      sftp.on("WRITE", (id) => sftp.status(id, STATUS_CODE.OK));
      sftp.on("CLOSE", (id) => sftp.status(id, STATUS_CODE.OK));
      sftp.on("MKDIR", (id) => sftp.status(id, STATUS_CODE.FAILURE));
      sftp.on("REMOVE", (id) => sftp.status(id, STATUS_CODE.OK));
    });
    expect(result).toMatchObject({ code: "upload-failed", message: expect.stringContaining("arrived") });
    expect(process.memoryUsage().rss - before).toBeLessThan(200e6);
  });

  it("whose SFTP refuses with escape sequences, or stalls", async () => {
    const refused = await upload((sftp) => {
      sftp.on("STAT", (id) => sftp.status(id, STATUS_CODE.NO_SUCH_FILE));
      sftp.on("MKDIR", (id) => sftp.status(id, STATUS_CODE.OK));
      sftp.on("OPEN", (id) => sftp.status(id, STATUS_CODE.FAILURE, NASTY));
      sftp.on("REMOVE", (id) => sftp.status(id, STATUS_CODE.OK));
    });
    expect(refused).toMatchObject({ code: "upload-failed" });
    clean(shown(refused));
    server?.close();
    expect(await upload((sftp) => sftp.on("STAT", () => {}))).toMatchObject({ code: "transport-lost" });
  });
});

it("a device whose folders never end is not read on, nor is anything removed beyond what was put there", async () => {
  const content = Buffer.from("0123456789");
  const file = join(tmpdir(), `edgefront-endless-${process.pid}`);
  writeFileSync(file, content);
  let reads = 0;
  const removed: string[] = [];
  const done = (callback: (error?: Error | null, value?: unknown) => void, value?: unknown): void => {
    setImmediate(callback, undefined, value);
  };
  type Callback = Parameters<typeof done>[0];
  const names = ["../../.ssh/authorized_keys", "/etc/passwd", "a b", "f".repeat(64), "edgefront-agent"];
  const attrs = { size: 1, mtime: 1, isDirectory: () => true };
  const absent = { size: 0, mtime: 1e9, isDirectory: () => false };
  const fake = {
    stat: (_path: string, callback: Callback) => done(callback, absent),
    mkdir: (_path: string, _attributes: unknown, callback: Callback) => done(callback),
    ext_openssh_statvfs: (_path: string, callback: Callback) =>
      done(callback, { f_bavail: 1e9, f_frsize: 4096 }),
    fastPut: (_from: string, _to: string, _options: unknown, callback: Callback) => done(callback),
    createReadStream: () => Readable.from([content]),
    chmod: (_path: string, _mode: number, callback: Callback) => done(callback),
    ext_openssh_rename: (_from: string, _to: string, callback: Callback) => done(callback),
    opendir: (_path: string, callback: Callback) => done(callback, Buffer.from("h")),
    readdir: (_handle: Buffer, callback: Callback) => {
      reads++;
      const inAgents = reads <= 200;
      done(
        callback,
        names.map((filename) => ({
          filename,
          attrs: inAgents ? attrs : { ...attrs, isDirectory: () => false },
        })),
      );
    },
    close: () => {},
    unlink: (path: string, callback: Callback) => {
      removed.push(path);
      done(callback);
    },
    rmdir: (_path: string, callback: Callback) => done(callback),
  };
  const { run } = new Steps("u@device:22", 20_000, () => {});
  const files = new SshFiles(fake as unknown as SFTPWrapper, "u@device:22", run);
  const sha256 = createHash("sha256").update(content).digest("hex");
  const mine = agentName("0".repeat(64));
  await files.upload(file, mine, sha256, { executable: true });
  rmSync(file);
  expect(reads).toBeLessThan(20_000);
  expect(removed).not.toEqual([]);
  for (const path of removed)
    expect(path).toMatch(/^\.edgefront\/(agents\/f{64}|models|files)\/[a-z0-9.-]+$/);
});
