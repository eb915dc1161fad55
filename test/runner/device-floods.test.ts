// Devices that send, or make us send, without end. Every byte is counted, rates are limited, and no wait
// exceeds its total deadline.
import { createHash, generateKeyPairSync } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import ssh2, { type ServerChannel, type SFTPWrapper } from "ssh2";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { putFile } from "../../runner/agent/put-file.ts";
import { AgentSession } from "../../runner/agent/session.ts";
import { fingerprint } from "../../runner/devices/fingerprint.ts";
import { LineSplitter, StderrTail } from "../../runner/devices/line-splitter.ts";
import { Budget } from "../../runner/devices/meter.ts";
import { type SshOptions, SshTransport } from "../../runner/devices/ssh-transport.ts";
import { remoteName } from "../../runner/devices/transport.ts";
import { temporaryFolder } from "../support/built-cli.ts";

const HELLO = '{"v":1,"type":"hello","agent":"edgefront-agent","version":"0","arch":"x86_64","pid":1}\n';
const BEAT = '{"v":1,"type":"heartbeat","uptimeMs":1,"job":"j1"}\n';

it("a line that comes a byte a packet takes the memory of its bytes", () => {
  const splitter = new LineSplitter(() => {});
  const tail = new StderrTail();
  const byte = Buffer.from("x");
  global.gc?.();
  const before = process.memoryUsage();
  for (let i = 0; i < 3_000_000; i++) {
    // ssh2 passes them on like this: a separate view for each packet.
    splitter.push(byte.subarray(0));
    tail.push(byte.subarray(0));
  }
  const after = process.memoryUsage();
  // 145 bytes per line would be 435 MB.
  expect(after.rss - before.rss).toBeLessThan(200e6);
  const lines: string[] = [];
  const whole = new LineSplitter((line) => lines.push(line), 10);
  for (const part of ["a", "b\nc", "\n\nd"]) expect(whole.push(Buffer.from(part))).toBe(true);
  expect(lines).toEqual(["ab", "c", ""]);
  expect(whole.push(Buffer.from("x".repeat(10)))).toBe(false);
  expect(tail.text()).toBe("x".repeat(2048));
});

it("a budget is used up, and grows back", async () => {
  const budget = new Budget(100, 1000);
  expect(budget.take(100)).toBe(true);
  expect(budget.take(50)).toBe(false);
  budget.giveBack(60);
  expect(budget.take(5)).toBe(true);
  await new Promise((resolve) => setTimeout(resolve, 150));
  expect(budget.take(90)).toBe(true);
});

it("stops sending a file to a device that accepts only parts of pieces", async () => {
  const folder = temporaryFolder();
  const file = join(folder.path, "file");
  writeFileSync(file, Buffer.alloc(100_000));
  let sent = 0;
  const trickling = putFile(
    async ({ offset, data }) => {
      sent += data.length;
      return { bytes: data === "" ? 0 : offset + 1, complete: false };
    },
    file,
    remoteName("models/x"),
    "0".repeat(64),
    {},
  );
  await expect(trickling).rejects.toMatchObject({ code: "upload-failed" });
  expect(sent).toBeLessThan(300_000);
  folder.remove();
});

describe("a server that floods", { timeout: 120_000 }, () => {
  let folder: ReturnType<typeof temporaryFolder>;
  let server: ssh2.Server | undefined;
  const pem = () =>
    generateKeyPairSync("rsa", {
      modulusLength: 2048,
      privateKeyEncoding: { type: "pkcs1", format: "pem" },
      publicKeyEncoding: { type: "pkcs1", format: "pem" },
    }).privateKey;
  const hostKeyText = pem();
  const hostKey = fingerprint((ssh2.utils.parseKey(hostKeyText) as ssh2.ParsedKey).getPublicSSH());
  beforeAll(() => {
    folder = temporaryFolder();
    writeFileSync(join(folder.path, "key"), pem(), { mode: 0o600 });
  });
  afterAll(() => folder.remove());
  afterEach(() => {
    server?.close();
  });

  /** Its agent is `serve`. Other commands get a shell's answers. */
  const transport = async (
    serve: (channel: ServerChannel) => void,
    { sftp, timeouts = {} }: { sftp?: (sftp: SFTPWrapper) => void; timeouts?: SshOptions["timeouts"] } = {},
  ): Promise<SshTransport> => {
    server = new ssh2.Server({ hostKeys: [hostKeyText] }, (client) => {
      client.on("error", () => {});
      client.on("authentication", (context) => context.accept());
      client.on("session", (accept) => {
        const session = accept();
        session.on("exec", (acceptExec, _reject, { command }) => {
          const channel = acceptExec();
          channel.on("error", () => {});
          if (command.startsWith("exec")) return serve(channel);
          channel.write("edgefront-begins\nLinux x86_64\nedgefront-ends\n");
          channel.exit(0);
          channel.end();
        });
        session.on("sftp", (acceptSftp) => sftp?.(acceptSftp()));
      });
    });
    await new Promise<void>((resolve) => server!.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as { port: number };
    const opened = new SshTransport({
      host: "127.0.0.1",
      port,
      user: "u",
      identityFile: join(folder.path, "key"),
      keys: { identityFiles: [], certificateFiles: [], agent: "none", identitiesOnly: true },
      hostKey,
      timeouts: { connectMs: 8000, ...timeouts },
    });
    await opened.open();
    return opened;
  };
  const binary = { path: "", sha256: "0".repeat(64) };
  /** Writes as fast as the reader reads. */
  const endlessly = (
    stream: { write(data: string): boolean; once(event: "drain", run: () => void): unknown },
    data: string,
  ) => {
    let over = false;
    const more = (): void => {
      for (let i = 0; i < 200 && !over; i++) if (!stream.write(data)) break;
      if (!over) setTimeout(more, 0);
    };
    more();
    return () => {
      over = true;
    };
  };
  const endOf = async (serve: (channel: ServerChannel) => () => void): Promise<unknown> => {
    let stop = (): void => {};
    const opened = await transport((channel) => {
      channel.write(HELLO);
      stop = serve(channel);
      channel.once("close", () => stop());
    });
    const before = process.memoryUsage().rss;
    const session = await AgentSession.start(opened, binary);
    const error = await session.request("probe", {}).catch((e: unknown) => e);
    stop();
    await session.close();
    expect(process.memoryUsage().rss - before).toBeLessThan(300e6);
    return error;
  };

  it("with heartbeats is disconnected", async () => {
    expect(await endOf((channel) => endlessly(channel, BEAT.repeat(50)))).toMatchObject({
      code: "protocol",
      message: expect.stringMatching(/heartbeats without end|more lines/),
    });
  });
  it("with lines that are not an agent's is disconnected", async () => {
    expect(await endOf((channel) => endlessly(channel, `${"noise ".repeat(500)}\n`))).toMatchObject({
      code: "protocol",
      message: expect.stringContaining("prints without end"),
    });
  });
  it("with unrequested answers is disconnected", async () => {
    const answer = `{"v":1,"id":"j999","type":"progress","progress":{"a":"${"x".repeat(50_000)}"}}\n`;
    expect(await endOf((channel) => endlessly(channel, answer))).toMatchObject({
      code: "protocol",
      message: expect.stringContaining("nobody asked for"),
    });
  });
  it("on stderr is disconnected", async () => {
    expect(await endOf((channel) => endlessly(channel.stderr as never, "x".repeat(30_000)))).toMatchObject({
      code: "transport-lost",
      message: expect.stringContaining("more data than was requested"),
    });
  });
  it("with packets of one byte is disconnected", async () => {
    expect(await endOf((channel) => endlessly(channel, "x"))).toMatchObject({ blame: "device" });
  });

  it("not, but takes a file as slowly as each step allows, is left at the deadline of the whole", async () => {
    const { STATUS_CODE } = ssh2.utils.sftp;
    const slow = (answer: () => void) => setTimeout(answer, 300);
    const opened = await transport(() => {}, {
      timeouts: { stepMs: 5000, uploadMs: 1500, uploadBytesPerSecond: 1e9 },
      sftp: (sftp) => {
        sftp.on("STAT", (id) => slow(() => sftp.status(id, STATUS_CODE.NO_SUCH_FILE)));
        sftp.on("MKDIR", (id) => slow(() => sftp.status(id, STATUS_CODE.OK)));
        sftp.on("OPEN", (id) => slow(() => sftp.handle(id, Buffer.from("h"))));
        sftp.on("WRITE", (id) => slow(() => sftp.status(id, STATUS_CODE.OK)));
      },
    });
    const bytes = Buffer.alloc(60_000_000);
    const file = join(folder.path, "large");
    writeFileSync(file, bytes);
    const begun = performance.now();
    const sha256 = createHash("sha256").update(bytes).digest("hex");
    await expect(opened.upload(file, remoteName("models/x"), sha256)).rejects.toMatchObject({
      code: "transport-lost",
      message: expect.stringMatching(/sending models\/x .* did not end within 2 s/),
    });
    expect(performance.now() - begun).toBeLessThan(4000);
    await opened.close();
  });
});
