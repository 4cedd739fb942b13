/** A page that says one thing and offers what to do next. */

import type { ComponentChildren } from "preact";
import { Logo } from "../icons.js";
import { PageHeading } from "./page-heading.js";

export function MessagePage({ title, children }: { title: string; children: ComponentChildren }) {
  return (
    <main class="message-page">
      <div class="card message-card">
        <Logo />
        <PageHeading>{title}</PageHeading>
        {children}
      </div>
    </main>
  );
}
