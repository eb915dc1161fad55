// Errors of the runner that a person can act on. Bad input is InvalidInputError (candidates/errors.ts, exit
// code 2).

/** A run that could not continue: exit code 1. The message is one line that ends with the next step. */
export class RunError extends Error {
  override readonly name = "RunError";
  readonly code: string;
  constructor(code: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** Another process holds the database in the middle of a write and does not continue. */
export class DatabaseBusyError extends RunError {
  constructor(options?: ErrorOptions) {
    super(
      "database-busy",
      "another edgefront process keeps the database locked: it was stopped (Ctrl-Z) or hangs in the middle of a write. " +
        "Continue or end that process, then run the command again (a sweep with --resume)",
      options,
    );
  }
}

/** Ctrl-C or SIGTERM: finished work is kept, exit code 130. */
export class InterruptedError extends RunError {
  constructor(message: string, options?: ErrorOptions) {
    super("interrupted", message, options);
  }
}
