// Windows that the proxies of a task train alike are named; distinct ones are not.
import { expect, it } from "vitest";
import { parseMixer } from "../../candidates/notation.ts";
import { windowNotices } from "../../profilers/proxy-windows.ts";
import { PACKAGE_ROOT } from "../../runner/base/version.ts";
import { readSweepConfig } from "../../runner/config/config.ts";
import { proxyNotices } from "../../runner/config/proxy-notices.ts";

const mixers = (text: string) => text.split(" ").map((token) => parseMixer(token, { h: "4/2x16" }));
const notices = (text: string, length: number, context?: number) =>
  windowNotices(mixers(text), 64, [{ name: "t", length, proxy: { width: 32, headDim: 16, context } }]);

it.each([
  [
    "c3 s64 g",
    64,
    undefined,
    /s64 and g apart: in its sequences of 64 tokens all of them are full attention.*context above 64/,
  ],
  ["c3 s64 g", 32, 64, /s64 and g/],
  ["s64 s128 g", 32, undefined, /s64, s128 and g apart.*above 128/],
  ["s64 s128", 32, undefined, /s64 and s128 apart.*full attention/],
  [
    "s8 s12 g",
    16,
    256,
    /s8 and s12 apart: in its sequences of 16 tokens all of them are windows of 2 tokens/,
  ],
])("%s in sequences of %d tokens (context %s)", (text, length, context, said) => {
  expect(notices(text, length, context)).toHaveLength(1);
  expect(notices(text, length, context)[0]).toMatch(said);
});

it.each([
  ["c3 s64 g", 65, undefined],
  ["c3 s64 g", 64, 128],
  ["c3 s64", 32, undefined],
  ["c3 g", 32, undefined],
  ["c3 s64 s64< g g<", 65, undefined],
  ["s64 s128 g", 128, 1024],
])("says nothing of %s in sequences of %d tokens (context %s)", (text, length, context) => {
  expect(notices(text, length, context)).toEqual([]);
});

it.each(["quickstart", "minimal-hybrid-quick", "minimal-hybrid-full", "mad"])(
  "the bundled %s can tell its windows apart",
  (name) => {
    expect(proxyNotices(readSweepConfig(`${PACKAGE_ROOT}/configs/${name}.yaml`))).toEqual([]);
  },
);
