/** System errors as Node.js throws them, for what this package finds out by itself. */
import { constants } from "node:os";

/** An `Error` with `code`, `errno`, `syscall` and `path`, and a message in the words of Node.js. */
export function systemError(code: string, syscall: string, path?: string): NodeJS.ErrnoException {
  const where = path === undefined ? "" : ` '${path}'`;
  const error: NodeJS.ErrnoException = new Error(`${code}: ${syscall}${where}`);
  error.code = code;
  error.syscall = syscall;
  const errno = (constants.errno as Readonly<Record<string, number>>)[code];
  if (errno !== undefined) error.errno = -errno;
  if (path !== undefined) error.path = path;
  return error;
}

/** Node.js leaves out the path where an operation was called on a descriptor: adds it. */
export function withPath(error: unknown, path: string): unknown {
  if (error instanceof Error && "code" in error && !("path" in error)) {
    (error as NodeJS.ErrnoException).path = path;
  }
  return error;
}
