// Errors a person can act on: a stable code, one line that ends with the next step.

/** A layout, notation, space or configuration that cannot be. The command line ends with exit code 2 on it. */
export class InvalidInputError extends Error {
  override readonly name = "InvalidInputError";
  readonly code: string;
  constructor(code: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
