/** What the doctor calls itself. */

export const CLIENT = "sheetbend-js-doctor/0.1.0";
