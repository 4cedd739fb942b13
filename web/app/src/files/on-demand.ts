/** What is loaded with the first file, here or from afar: most calls do without. */

export { readOffer, sendFile } from "sheetbend/files";
export { FilesTray } from "./files-tray.js";
export { IncomingFile } from "./incoming-file.js";
export { OutgoingFile } from "./outgoing-file.js";
