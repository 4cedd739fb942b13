/** The heading of a page that came in place of another: it takes the focus, so that nobody is left nowhere. */

import type { ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";

export interface PageHeadingProps {
  children: ComponentChildren;
  /** Said by screen readers, not shown. */
  hidden?: boolean;
}

export function PageHeading({ children, hidden = false }: PageHeadingProps) {
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => heading.current?.focus({ preventScroll: true }), []);
  return (
    <h1 ref={heading} tabIndex={-1} class={hidden ? "visually-hidden" : "page-heading"}>
      {children}
    </h1>
  );
}
