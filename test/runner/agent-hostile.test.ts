// biome-ignore-all lint/suspicious/noTemplateCurlyInString: the placeholders belong to the scripts that the agents run
// A device may be malicious. Scripted agents send lines that no agent should send. The session must end with
// the right error and keep nothing. The coordinator's memory and terminal must not suffer.
import { createHash } from "node:crypto";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { AgentSession } from "../../runner/agent/session.ts";
import { LocalTransport } from "../../runner/devices/local-transport.ts";
import { isAlive, until } from "../support/agents.ts";

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "edgefront-hostile-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const HELLO = '{"v":1,"type":"hello","agent":"edgefront-agent","version":"0.1.0","arch":"x86_64","pid":1}';
/** A program with this content, to run as an agent. */
function program(text: string | Buffer, mode = 0o700) {
  const sha256 = createHash("sha256").update(text).digest("hex");
  const path = join(folder, sha256);
  writeFileSync(path, text);
  chmodSync(path, mode);
  return { path, sha256 };
}
/** An agent in JavaScript: `say(line)`, `hello`, and `onRequest(request)` if it answers. */
const script = (body: string) =>
  program(`#!${process.execPath}
const hello = ${JSON.stringify(HELLO)};
const say = (line) => process.stdout.write(line + "\\n");
let onRequest = () => {};
${body}
let text = "";
process.stdin.on("data", (chunk) => {
  text += chunk;
  for (let end; (end = text.indexOf("\\n")) >= 0; text = text.slice(end + 1)) onRequest(JSON.parse(text.slice(0, end)));
});
process.stdin.on("end", () => process.exit(0));
`);

let session: AgentSession | undefined;
let transport: LocalTransport;
const start = async (binary: { path: string; sha256: string }, options = {}) => {
  transport = new LocalTransport();
  session = await AgentSession.start(transport, binary, { helloTimeoutMs: 10_000, ...options });
  return session;
};
const startError = (binary: { path: string; sha256: string }, options = {}) =>
  start(binary, options).then(
    () => undefined,
    (e: unknown) => e,
  );
afterEach(async () => {
  await session?.close();
  await transport?.close();
  session = undefined;
});

describe("an agent that does not start well", () => {
  it.each([
    ["ends at once", "process.exit(3);", "agent-start"],
    ["is refused a system call", 'process.kill(process.pid, "SIGSYS");', "agent-start"],
    ["speaks another version", "say(hello.replace('\"v\":1', '\"v\":9'));", "protocol"],
    ["is another program", 'say("Welcome to Ubuntu");', "protocol"],
    ["claims a strange architecture", "say(hello.replace('x86_64', 'pdp11'));", "protocol"],
    ["speaks before it greets", 'say(\'{"v":1,"type":"heartbeat","uptimeMs":1,"job":null}\');', "protocol"],
    ["greets twice", "say(hello); say(hello); onRequest = () => {};", undefined],
  ])("%s", async (_, body, code) => {
    const error = await startError(script(body));
    if (code === undefined) {
      await expect(session!.request("probe", {})).rejects.toMatchObject({ code: "protocol" });
    } else expect(error).toMatchObject({ code, blame: "device" });
  });
  it("says nothing", async () => {
    const error = await startError(script("setInterval(() => {}, 1000);"), { helloTimeoutMs: 500 });
    expect(error).toMatchObject({ code: "agent-start", message: expect.stringContaining("said nothing") });
  });
  it("cannot be executed", async () => {
    expect(await startError(program(HELLO, 0o600))).toMatchObject({ code: "agent-start" });
    expect(await startError(program(Buffer.from("\x7fELF\x02\x01\x01 not really")))).toMatchObject({
      code: "agent-start",
    });
    expect(await startError({ path: join(folder, "absent"), sha256: "0" })).toMatchObject({
      code: "agent-start",
    });
  });
});

describe("an agent that answers badly", () => {
  const answering = (body: string) =>
    start(script(`say(hello);\nonRequest = (r) => { const id = r.id; ${body} };`));
  it.each([
    ["garbage", 'say("\\u0000\\u0007not json");'],
    ["half an object", 'say("{\\"v\\":1,");'],
    ["an unknown type", 'say(JSON.stringify({ v: 1, id, type: "shell" }));'],
    ["an empty result", 'say(JSON.stringify({ v: 1, id, type: "result", result: {} }));'],
    [
      "a result of another job",
      'say(JSON.stringify({ v: 1, id, type: "result", result: { bytes: 1, sha256: "00" } }));',
    ],
    ["a number that is none", 'say(`{"v":1,"id":"${id}","type":"result","result":{"loss":NaN}}`);'],
    [
      "an unknown error code",
      'say(JSON.stringify({ v: 1, id, type: "error", error: { code: "x", message: "" } }));',
    ],
    [
      "a signal that is a command",
      'say(JSON.stringify({ v: 1, id, type: "error", error: { code: "crashed", message: "", signal: "$(x)" } }));',
    ],
    [
      "a nest of a million arrays",
      'say(`{"v":1,"id":"${id}","type":"progress","progress":{"a":${"[".repeat(1e6)}${"]".repeat(1e6)}}}`);',
    ],
    [
      "a line without end",
      'const chunk = "x".repeat(1 << 20); const more = () => process.stdout.write(chunk, more); more();',
    ],
    [
      "progress without end",
      'const line = JSON.stringify({ v: 1, id, type: "progress", progress: { a: "x".repeat(1e6) } }) + "\\n"; const more = () => process.stdout.write(line, more); more();',
    ],
  ])("%s", async (_, body) => {
    const agent = await answering(body);
    const before = process.memoryUsage().rss;
    await expect(agent.request("probe", {})).rejects.toMatchObject({ code: "protocol", blame: "device" });
    expect(process.memoryUsage().rss - before).toBeLessThan(400e6);
    await expect(agent.request("probe", {})).rejects.toMatchObject({ code: "protocol" });
  });

  it("ignores answers without a request, and sanitises text", async () => {
    const agent = await answering(`
      say(JSON.stringify({ v: 1, id: "j99", type: "result", result: {} }));
      say(JSON.stringify({ v: 1, id: "other", type: "error", error: { code: "io", message: "no" } }));
      say(JSON.stringify({ v: 1, id, type: "error", error: { code: "io", message: "a\\u001b[2Jb\\r\\nc\\u202ed\\u009b1" } }));`);
    const error = (await agent.request("probe", {}).catch((e: unknown) => e)) as Error;
    expect(error).toMatchObject({ code: "io" });
    expect(error.message).toBe("a?[2Jb??c?d?1");
  });

  it("endless stderr neither stalls nor fills the coordinator", async () => {
    const agent = await answering(`
      let left = 200; const chunk = "e".repeat(1 << 20);
      const more = () => left-- > 0 ? process.stderr.write(chunk, more) : say(JSON.stringify({ v: 1, id, type: "error", error: { code: "io", message: "done" } }));
      more();`);
    const before = process.memoryUsage().rss;
    await expect(agent.request("probe", {})).rejects.toMatchObject({ code: "io" });
    expect(process.memoryUsage().rss - before).toBeLessThan(200e6);
  });

  it("an agent that exits in the middle of an answer loses the job", async () => {
    const agent = await answering(
      'process.stdout.write(`{"v":1,"id":"${id}","type":"resu`, () => process.exit(0));',
    );
    await expect(agent.request("probe", {})).rejects.toMatchObject({ code: "transport-lost" });
  });

  it("one that ignores a cancel, a deadline and the end of its input is cut off", async () => {
    const agent = await start(
      program(`#!${process.execPath}
process.stdout.write(${JSON.stringify(`${HELLO.replace('"pid":1', '"pid":PID')}\n`)}.replace("PID", process.pid));
process.on("SIGTERM", () => {});
setInterval(() => process.stdout.write('{"v":1,"type":"heartbeat","uptimeMs":1,"job":null}\\n'), 200);
`),
    );
    const { pid } = await agent.hello;
    const job = agent.request("probe", {}, { timeoutMs: 300 });
    await expect(job).rejects.toMatchObject({ code: "job-timeout", blame: "nobody" });
    await until("it is gone", () => !isAlive(pid));
  }, 20_000);

  it("a job that waits is cancelled without being sent", async () => {
    const agent = await answering(
      "setTimeout(() => say(JSON.stringify({ v: 1, id, type: 'error', error: { code: 'io', message: r.type } })), 300);",
    );
    const controller = new AbortController();
    const first = agent.request("probe", {});
    const second = agent.request("probe", {}, { signal: controller.signal });
    controller.abort();
    await expect(second).rejects.toMatchObject({ code: "job-cancelled" });
    await expect(first).rejects.toMatchObject({ code: "io" });
  });
});
