/** Shows the passing notices, and reads out what the page shows in another place. */

import type { Notices } from "../notices.js";

export function NoticeList({ notices }: { notices: Notices }) {
  return (
    <>
      <div class="notices" role="status" aria-live="polite">
        {notices.list.value.map((notice) => (
          <p key={notice.id} class="notice">
            <bdi>{notice.text}</bdi>
          </p>
        ))}
      </div>
      <div class="visually-hidden" aria-live="polite">
        {notices.spoken.value}
      </div>
    </>
  );
}
