/** The connection doctor: tries every way to a server from this page, and says what that means. */

export { type DiagnoseOptions, diagnose } from "./diagnose.js";
export {
  CHECK_IDS,
  type Check,
  type CheckId,
  type CheckStatus,
  type Detail,
  type Report,
  type Verdict,
  type VerdictCode,
} from "./report.js";
