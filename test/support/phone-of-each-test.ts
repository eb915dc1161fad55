// A scripted phone for each test of a file, in a folder of its own.
import { afterEach, beforeAll, beforeEach } from "vitest";
import type { AgentBinary } from "../../runner/devices/transport.ts";
import { scriptedAgent } from "../faults/farm.ts";
import type { AgentScript } from "./agent-script.ts";
import { temporaryFolder } from "./built-cli.ts";
import { type PhoneOptions, startPhone } from "./phone.ts";

/** Registers the hooks that create the folder and close a phone that a test started. */
export function phoneOfEachTest() {
  let agent: AgentBinary;
  let folder: ReturnType<typeof temporaryFolder>;
  let close: (() => Promise<void>) | undefined;
  beforeAll(async () => {
    agent = await scriptedAgent();
  });
  beforeEach(() => {
    folder = temporaryFolder();
  });
  afterEach(async () => {
    await close?.();
    close = undefined;
    folder.remove();
  });
  return {
    get folder(): string {
      return folder.path;
    },
    start(script: AgentScript, options: PhoneOptions) {
      const started = startPhone(agent, folder.path, script, options);
      close = started.close;
      return started;
    },
  };
}
