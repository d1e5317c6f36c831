/**
 * Why a value is refused. Never leaves this folder: whoever knows the table and the key turns it
 * into a HoldfastError that names them.
 */
export class ValueProblem extends Error {
  override readonly name = "ValueProblem";

  constructor(
    reason: string,
    /** Where in the value: ".price", "[2]", or "" for the value itself. */
    readonly path: string = "",
  ) {
    super(reason);
  }

  /** The same problem seen from the value around it. Other errors pass unchanged. */
  static within(part: string, error: unknown): unknown {
    if (!(error instanceof ValueProblem)) return error;
    return new ValueProblem(error.message, part + error.path);
  }
}
