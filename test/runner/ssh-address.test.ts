// The address of a machine as a user writes it.
import { describe, expect, it } from "vitest";
import { parseAddress } from "../../runner/devices/ssh-address.ts";

describe("the address of a machine", () => {
  it.each([
    ["lab", { host: "lab" }],
    ["me@lab", { host: "lab", user: "me" }],
    ["me@corp@lab", { host: "lab", user: "me@corp" }],
    ["lab:2222", { host: "lab", port: 2222 }],
    ["me@10.0.0.7:22", { host: "10.0.0.7", user: "me", port: 22 }],
    ["::1", { host: "::1" }],
    ["me@fe80::1%eth0", { host: "fe80::1%eth0", user: "me" }],
    ["[::1]:2222", { host: "::1", port: 2222 }],
    ["[fe80::1%eth0]", { host: "fe80::1%eth0" }],
    ["ssh://lab", { host: "lab" }],
    ["ssh://me@[2001:db8::1]:2222/", { host: "2001:db8::1", user: "me", port: 2222 }],
    ["SSH://a%40b@lab:1", { host: "lab", user: "a@b", port: 1 }],
  ])("%s", (text, address) => expect(parseAddress(text)).toEqual(address));
  it.each([
    "",
    "a b",
    "-oProxyCommand=x",
    "me@",
    "lab:0",
    "lab:65536",
    "ssh://",
    "a;b@lab",
    "-l@lab",
    "ssh://lab/path",
    "[::1",
  ])("%j is none", (text) => expect(() => parseAddress(text)).toThrow(/not a host name/));
});
