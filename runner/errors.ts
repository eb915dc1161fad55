// Errors of the runner that a person can act on. Bad input is InvalidInputError (candidates/errors.ts, exit code 2).

/** A run that could not go on: exit code 1. The message is one line that ends with the next step. */
export class RunError extends Error {
  override readonly name = "RunError";
  readonly code: string;
  constructor(code: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** Ctrl-C or SIGTERM: everything finished is kept, exit code 130. */
export class InterruptedError extends RunError {
  constructor(message: string) {
    super("interrupted", message);
  }
}
