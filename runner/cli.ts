#!/usr/bin/env node
import yargs from "yargs";
import { hideBin } from "yargs/helpers";
import { InvalidInputError } from "../candidates/errors.ts";
import { defineEnds, INTERRUPTED } from "./base/ends.ts";
import { DatabaseBusyError, InterruptedError, RunError } from "./base/run-errors.ts";
import { VERSION } from "./base/version.ts";
import { commands } from "./commands/command-registry.ts";
import { say } from "./commands/common.ts";
// The command line; each command is a file under commands/. Exit codes: 0 done, 1 the run failed, 2 bad
// input, 130 interrupted.
import { example } from "./commands/examples.ts";
import { USAGE_STRINGS, usageText } from "./commands/usage.ts";
import {
  AgentError,
  AuthenticationError,
  HostKeyChangedError,
  JobCancelledError,
  RunnerError,
} from "./devices/device-errors.ts";
import { isBusy } from "./store/open.ts";

/**
 * Returns 2 when the user must change the input. A wrong key, a wrong host key and a broken model file count
 * as input.
 */
function exitCode(error: unknown): number {
  if (error instanceof InterruptedError) return INTERRUPTED;
  if (error instanceof InvalidInputError) return 2;
  if (error instanceof AuthenticationError || error instanceof HostKeyChangedError) return 2;
  if (error instanceof RunnerError && error.blame === "request") return 2;
  return error instanceof AgentError && ["bad-model", "unsupported", "unavailable"].includes(error.code)
    ? 2
    : 1;
}

const args = hideBin(process.argv);

/** The options of the command that yargs reached, which its types leave out. */
interface KnownOptions {
  readonly key: Readonly<Record<string, unknown>>;
  readonly array: readonly string[];
}
const knownOptions = (): KnownOptions => (parser as unknown as { getOptions(): KnownOptions }).getOptions();

const complaint = (message: string): InvalidInputError =>
  new InvalidInputError(
    "usage",
    usageText(message, {
      args,
      options: Object.keys(knownOptions().key),
      call: commands.map(({ command }) => String(command)).find((call) => call.split(" ")[0] === args[0]),
      commands: [...commands.map(({ command }) => String(command).split(" ")[0]!), "completion"],
    }),
  );

/** Refuses an option given twice: yargs would pass a list where a command expects one value. */
function refuseRepeated(argv: Readonly<Record<string, unknown>>): void {
  const { key, array } = knownOptions();
  const twice = Object.keys(key).find((name) => Array.isArray(argv[name]) && !array.includes(name));
  if (twice !== undefined)
    throw new InvalidInputError(
      "usage",
      `--${twice} is given twice, but takes one value; give it once (see ${args[0]?.startsWith("-") ? "edgefront" : `edgefront ${args[0]}`} --help)`,
    );
}

const isDatabaseError = (error: unknown): boolean =>
  /^SQLITE_(FULL|IOERR|READONLY|CANTOPEN|CORRUPT)/.test((error as { code?: string } | null)?.code ?? "");

/** Returns whether the error is Ctrl-C, whichever work it stopped. */
const isInterrupt = (error: unknown): boolean =>
  error instanceof JobCancelledError || (error as Error | null)?.name === "AbortError";

function understood(thrown: unknown): unknown {
  if ((thrown as { info?: { syscall?: string } } | null)?.info?.syscall === "uv_os_homedir")
    return new InvalidInputError(
      "no-home",
      "HOME is not set and this user has no home folder; run: export HOME=/a/folder",
      {
        cause: thrown,
      },
    );
  if (isBusy(thrown)) return new DatabaseBusyError({ cause: thrown });
  return isInterrupt(thrown) ? new InterruptedError("interrupted", { cause: thrown }) : thrown;
}

/** Prints one line for a person, the trace only with EDGEFRONT_TRACE, and exits. */
function report(thrown: unknown): never {
  const error = understood(thrown);
  const known = error instanceof Error && typeof (error as { code?: unknown }).code === "string";
  const raw = error instanceof Error ? error.message : String(error);
  const message = isDatabaseError(error)
    ? `the database cannot be written (${raw}); free disk space or check the disk, then run the command again (a sweep with --resume)`
    : raw;
  say(`edgefront: ${known ? message : `unexpected error: ${message}`}`);
  if (process.env.EDGEFRONT_TRACE) process.stderr.write(`${(error as Error).stack}\n`);
  else if (!known)
    process.stderr.write("Run the command again with EDGEFRONT_TRACE=1 to see the stack trace.\n");
  process.exit(exitCode(error));
}

defineEnds((error) => {
  const message = `standard output cannot be written (${error.code}); free disk space, or redirect the output elsewhere`;
  report(new RunError("output-failed", message, { cause: error }));
});

const parser = yargs(args)
  .scriptName("edgefront")
  .version(VERSION)
  .usage(
    "$0 <command>\n\nFinds language-model layouts worth deploying on your devices, by measuring them there.",
  )
  .command(commands)
  .completion("completion", "Print a completion script for your shell")
  .demandCommand(1, "no command is given; edgefront --help lists the commands")
  .strict()
  .recommendCommands()
  // One language everywhere makes messages searchable.
  .locale("en")
  .updateStrings(USAGE_STRINGS as never)
  .middleware(refuseRepeated, true)
  .wrap(Math.min(100, process.stdout.columns || 100))
  .example(
    example("$0 sweep configs/quickstart.yaml", "Run a complete search on this machine, about 10 minutes"),
  )
  .example(example("$0 measure lfm2-350m --device local", "Time one layout"))
  .epilogue("Exit codes: 0 done, 1 the run failed, 2 bad input, 130 interrupted.")
  .fail((message, error) => {
    // yargs throws some of its own messages, such as for an option without its value.
    const usage = error === undefined || error === null || error.name === "YError";
    report(usage ? complaint(message ?? error.message) : error);
  });

try {
  await parser.parseAsync();
} catch (error) {
  report(error);
}
