// Errors that a user can act on: a stable code, and one line that ends with the next step.

/**
 * Reports a layout, notation, space or configuration that is impossible. The command line then ends with exit
 * code 2.
 */
export class InvalidInputError extends Error {
  override readonly name = "InvalidInputError";
  readonly code: string;
  constructor(code: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
