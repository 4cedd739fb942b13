/** What can go wrong with a file, beside losing the member. */

export type FileErrorCode =
  /** The other side doesn't want it. */
  | "file_declined"
  /** The other side ended the transfer. */
  | "file_cancelled"
  /** It became shorter or longer, or can't be read any more. */
  | "file_not_read"
  /** What came isn't what was sent; it was thrown away. */
  | "file_corrupt"
  /** The receiver couldn't keep it. */
  | "file_not_written"
  /** The other side broke the protocol. */
  | "invalid_transfer";

/** A file that didn't arrive. What has come is kept for the next try, unless it was wrong. */
export class FileError extends Error {
  override readonly name = "FileError";
  readonly code: FileErrorCode;

  constructor(code: FileErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

export function broken(): FileError {
  return new FileError("invalid_transfer", "The other side doesn't speak the protocol of files.");
}

/** What the stream says when the other side gave up is a word about files here; all else is as it was. */
export function inOurWords(cause: unknown): unknown {
  const isGivenUp = cause instanceof Error && "code" in cause && GIVEN_UP.some((code) => code === cause.code);
  return isGivenUp ? new FileError("file_cancelled", "The other side ended the transfer.", { cause }) : cause;
}

const GIVEN_UP = ["stream_reset", "stream_stopped"];
