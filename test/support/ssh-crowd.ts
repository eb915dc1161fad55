// Hundreds of devices in one process: an SSH server where every login is a separate device, with the scripted
// agent behind each channel. For load only; the behaviour of sshd is tested against a real one. Prints its
// port and ends with its stdin.
//
//   node ssh-crowd.mjs AGENT_FILE AUTHORIZED_PUBLIC_KEY_FILE HOST_KEY_FILE JOB_MS
import { readFileSync } from "node:fs";
import ssh2 from "ssh2";
import { eachRequest, startAgent } from "./scripted-agent.ts";

const [agentFile, authorizedFile, hostKeyFile, jobMs] = process.argv.slice(2) as [
  string,
  string,
  string,
  string,
];
const agent = readFileSync(agentFile);
const authorized = ssh2.utils.parseKey(readFileSync(authorizedFile));
if (authorized instanceof Error) throw authorized;
const { STATUS_CODE } = ssh2.utils.sftp;

const server = new ssh2.Server({ hostKeys: [readFileSync(hostKeyFile)] }, (client) => {
  let user = "";
  client.on("error", () => {});
  client.on("authentication", (context) => {
    user = context.username;
    if (context.method !== "publickey" || !context.key.data.equals(authorized.getPublicSSH()))
      return context.reject(["publickey"]);
    if (context.signature && authorized.verify(context.blob!, context.signature, context.hashAlgo) !== true)
      return context.reject();
    context.accept();
  });
  client.on("session", (acceptSession) => {
    const session = acceptSession();
    // The agent is already present: it is read back for its hash, never written.
    session.on("sftp", (accept) => {
      const sftp = accept();
      const attributes = { mode: 0o100700, uid: 0, gid: 0, size: agent.length, atime: 0, mtime: 0 };
      sftp.on("STAT", (id) => sftp.attrs(id, attributes));
      sftp.on("FSTAT", (id) => sftp.attrs(id, attributes));
      sftp.on("OPEN", (id) => sftp.handle(id, Buffer.from("agent")));
      sftp.on("READ", (id, _handle, offset, length) => {
        if (offset >= agent.length) sftp.status(id, STATUS_CODE.EOF);
        else sftp.data(id, agent.subarray(offset, offset + length));
      });
      sftp.on("CLOSE", (id) => sftp.status(id, STATUS_CODE.OK));
    });
    session.on("exec", (accept, _reject, { command }) => {
      const stream = accept();
      if (command.includes("uname")) {
        const system = `Linux ${process.arch === "arm64" ? "aarch64" : "x86_64"}`;
        stream.write(`edgefront-begins\n${system}\nedgefront-ends\n`);
        stream.exit(0);
        stream.end();
        return;
      }
      let jobs = 0;
      const { answer, stop } = startAgent(
        {
          say: (line) => {
            stream.write(`${line}\n`);
          },
          script: () => ({ bootId: user, cpuModel: user, jobMs: Number(jobMs) }),
          count: () => ++jobs,
        },
        5000,
      );
      stream.on("data", eachRequest(answer));
      stream.on("end", () => {
        stop();
        stream.exit(0);
        stream.end();
      });
      stream.on("close", stop);
    });
  });
});
server.listen(0, "127.0.0.1", () => {
  process.stdout.write(`${(server.address() as { port: number }).port}\n`);
});
process.stdin.resume().on("end", () => process.exit(0));
