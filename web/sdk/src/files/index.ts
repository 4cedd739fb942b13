/** `sheetbend/files`: files between two members, resumed and verified (PROTOCOL.md, "Files"). */

export { FileError, type FileErrorCode } from "./errors.js";
export { FILE_LABEL } from "./framing.js";
export { safeName } from "./names.js";
export { type AcceptOptions, type FileOffer, readOffer, receiveFiles } from "./receiving.js";
export { type SendOptions, sendFile } from "./sending.js";
