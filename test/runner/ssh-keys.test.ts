// The keys that a login uses equal those of OpenSSH's own client with the same configuration, against a real
// sshd.
import { chmodSync, copyFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { describe, expect, it } from "vitest";
import { sshdProblem } from "../support/needs.ts";
import { run, sshLogins } from "../support/ssh-logins.ts";

describe.skipIf(sshdProblem() !== null)("a login finds the key", { timeout: 120_000 }, () => {
  const logins = sshLogins();
  const { at, makeKey, agent, configured, login, reach, variable, withServer } = logins;

  it("where only its public half is named, and an agent holds the other", async () => {
    mkdirSync(at("public"));
    copyFileSync(at("good.pub"), at("public/lab.pub"));
    process.env.SSH_AUTH_SOCK = agent("one", at("good"));
    for (const file of ["lab.pub", "lab"]) {
      expect(
        await login("lab", configured("IdentitiesOnly yes", `IdentityFile ${at("public")}/${file}`)),
      ).toBeUndefined();
      expect(
        await login("127.0.0.1", { ...reach(), identityFile: `${at("public")}/${file}` }),
      ).toBeUndefined();
    }
  });
  it("in the agent that the configuration names, by path or by variable, and in none where it says none", async () => {
    const socket = agent("one", at("good"));
    expect(await login("lab", configured(`IdentityAgent ${socket}`))).toBeUndefined();
    process.env.EF_AGENT = socket;
    expect(await login("lab", configured("IdentityAgent $EF_AGENT"))).toBeUndefined();
    expect(await login("lab", configured(`IdentityAgent ${variable("EF_AGENT")}`))).toBeUndefined();
    process.env.SSH_AUTH_SOCK = socket;
    expect(await login("lab", configured("IdentityAgent none"))).toMatchObject({ code: "identity-file" });
  });
  it("beside an agent of too many others", async () => {
    process.env.SSH_AUTH_SOCK = agent("many", ...Array.from({ length: 7 }, (_, i) => makeKey(`m${i}`)));
    copyFileSync(at("good"), at("home/.ssh/id_ed25519"));
    chmodSync(at("home/.ssh/id_ed25519"), 0o600);
    const usual = `IdentityFile ${at("home/.ssh/id_ed25519")}`;
    for (const only of ["IdentityAgent none", "IdentitiesOnly yes", "AddKeysToAgent no"])
      expect(await login("lab", configured(only, usual)), only).toBeUndefined();
    rmSync(at("home/.ssh/id_ed25519"));
    expect(await login("lab", configured())).toMatchObject({
      code: "auth-failed",
      message: expect.stringMatching(/MaxAuthTries.*--identity.*IdentitiesOnly/),
    });
  });
  it("in the second file, in the agent after the files, and beside a file that is missing or may be read by others", async () => {
    const files = (...names: string[]) => names.map((name) => `IdentityFile ${at(name)}`);
    expect(await login("lab", configured(...files("other", "good")))).toBeUndefined();
    expect(await login("lab", configured(...files("missing", "good")))).toBeUndefined();
    chmodSync(at("other"), 0o644);
    expect(await login("lab", configured(...files("other", "good")))).toBeUndefined();
    process.env.SSH_AUTH_SOCK = agent("one", at("good"));
    expect(await login("lab", configured(...files("other")))).toBeUndefined();
    expect(await login("127.0.0.1", { ...reach(), identityFile: at("good") })).toBeUndefined();
    chmodSync(at("good"), 0o644);
    delete process.env.SSH_AUTH_SOCK;
    expect(await login("127.0.0.1", { ...reach(), identityFile: at("good") })).toMatchObject({
      code: "identity-file",
      message: expect.stringMatching(/mode 644.*chmod 600/),
    });
  });
  it("with a passphrase, in the agent, by the public half that the file itself shows", async () => {
    process.env.SSH_AUTH_SOCK = agent("one", at("good"));
    rmSync(at("good.pub"));
    run("ssh-keygen", ["-q", "-p", "-P", "", "-N", "secret", "-f", at("good")]);
    expect(
      await login("lab", configured("IdentitiesOnly yes", `IdentityFile ${at("good")}`)),
    ).toBeUndefined();
  });
  it("by tokens, variables and a home in its path", async () => {
    copyFileSync(at("good"), at(`key-127.0.0.1-${logins.sshd.port}-${logins.sshd.user}-lab`));
    chmodSync(at(`key-127.0.0.1-${logins.sshd.port}-${logins.sshd.user}-lab`), 0o600);
    expect(await login("lab", configured(`IdentityFile ${logins.folder}/key-%h-%p-%r-%n`))).toBeUndefined();
    process.env.EF_KEY = "good";
    expect(
      await login("lab", configured(`IdentityFile ${logins.folder}/${variable("EF_KEY")}`)),
    ).toBeUndefined();
    copyFileSync(at("good"), at("home/.ssh/a key"));
    chmodSync(at("home/.ssh/a key"), 0o600);
    expect(homedir()).toBe(at("home"));
    expect(await login("lab", configured('IdentityFile "~/.ssh/a key"'))).toBeUndefined();
    expect(await login("lab", configured("IdentityFile none"))).toMatchObject({ code: "identity-file" });
  });
  it.each([
    ["ed25519", ["-t", "ed25519"]],
    ["ecdsa 256", ["-t", "ecdsa", "-b", "256"]],
    ["ecdsa 384", ["-t", "ecdsa", "-b", "384"]],
    ["ecdsa 521", ["-t", "ecdsa", "-b", "521"]],
    ["rsa", ["-t", "rsa", "-b", "2048"]],
    ["rsa, PEM", ["-t", "rsa", "-b", "2048", "-m", "PEM"]],
    ["rsa, PKCS#8", ["-t", "rsa", "-b", "2048", "-m", "PKCS8"]],
    ["ecdsa, PKCS#8", ["-t", "ecdsa", "-b", "256", "-m", "PKCS8"]],
  ])("of every kind, from a file and from an agent: %s", async (_kind, options) => {
    const key = makeKey("kind", ...options);
    const before = logins.sshd.authorizedKeys();
    logins.sshd.setAuthorizedKeys(readFileSync(`${key}.pub`, "utf8"));
    try {
      expect(await login("lab", configured(`IdentityFile ${key}`))).toBeUndefined();
      expect(await login("lab", configured(`IdentityAgent ${agent("kind", key)}`))).toBeUndefined();
    } finally {
      logins.sshd.setAuthorizedKeys(before);
    }
  });
  it.each([
    ["ed25519", ["-t", "ed25519"]],
    ["ecdsa", ["-t", "ecdsa", "-b", "384"]],
    ["rsa", ["-t", "rsa", "-b", "2048"]],
  ])("that a certificate vouches for: %s", async (_kind, options) => {
    const [authority, key] = [makeKey("authority"), makeKey("certified", ...options)];
    run("ssh-keygen", ["-q", "-s", authority, "-I", "test", "-n", logins.sshd.user, `${key}.pub`]);
    await withServer({ TrustedUserCAKeys: `${authority}.pub` }, async () => {
      chmodSync(logins.folder, 0o755);
      expect(await login("lab", configured(`IdentityFile ${key}`)), "beside it").toBeUndefined();
      const socket = agent("one", key);
      expect(await login("lab", configured(`IdentityAgent ${socket}`)), "in the agent").toBeUndefined();
      copyFileSync(`${key}-cert.pub`, at("elsewhere.pub"));
      rmSync(`${key}-cert.pub`);
      expect(
        await login("lab", configured(`IdentityFile ${key}`, `CertificateFile ${at("elsewhere.pub")}`)),
        "named",
      ).toBeUndefined();
      const plain = agent("plain", key);
      expect(
        await login("lab", configured(`IdentityAgent ${plain}`, `CertificateFile ${at("elsewhere.pub")}`)),
        "its key in the agent",
      ).toBeUndefined();
      expect(await login("lab", configured(`IdentityFile ${key}`)), "without it").toMatchObject({
        code: "auth-failed",
      });
    });
  });
  it("of each machine on the way", async () => {
    writeFileSync(
      at("config"),
      `Host lab bastion\nHostName 127.0.0.1\nPort ${logins.sshd.port}\nUser ${logins.sshd.user}\nHost bastion\nIdentityFile ${at("other")}\nIdentityFile ${at("good")}\nHost lab\nProxyJump bastion\nIdentityAgent ${agent("one", at("good"))}\n`,
    );
    expect(await login("lab", { configFile: at("config") })).toBeUndefined();
  });
});
