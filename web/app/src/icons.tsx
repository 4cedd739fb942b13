/** The app's own icons: 24 units wide, drawn in lines of the text's colour, hidden from screen readers. */

import type { ComponentChildren } from "preact";

function Icon({ children }: { children: ComponentChildren }) {
  return (
    <svg class="icon" viewBox="0 0 24 24" aria-hidden="true" focusable="false">
      {children}
    </svg>
  );
}

export function MicrophoneIcon() {
  return (
    <Icon>
      <rect x="9" y="3" width="6" height="11" rx="3" />
      <path d="M5.5 11.5a6.5 6.5 0 0 0 13 0M12 18v3M9 21h6" />
    </Icon>
  );
}

export function MicrophoneOffIcon() {
  return (
    <Icon>
      <path d="M15 9.5V6a3 3 0 0 0-5.6-1.5M9 9.5V11a3 3 0 0 0 4.5 2.6" />
      <path d="M5.5 11.5a6.5 6.5 0 0 0 10.5 5.1M18.5 11.5a6.5 6.5 0 0 1-.5 2.5M12 18v3M9 21h6" />
      <path d="M4 4l16 16" />
    </Icon>
  );
}

export function CameraIcon() {
  return (
    <Icon>
      <rect x="2.5" y="6" width="13" height="12" rx="3" />
      <path d="M15.5 10.8l4.7-2.9a.85.85 0 0 1 1.3.7v6.8a.85.85 0 0 1-1.3.7l-4.7-2.9" />
    </Icon>
  );
}

export function CameraOffIcon() {
  return (
    <Icon>
      <path d="M10.5 6h2a3 3 0 0 1 3 3v1.8l4.7-2.9a.85.85 0 0 1 1.3.7v6.8c0 .5-.4.8-.8.8M15.3 15.3A3 3 0 0 1 12.5 18h-7a3 3 0 0 1-3-3V9a3 3 0 0 1 2.8-3" />
      <path d="M3 3l18 18" />
    </Icon>
  );
}

export function ScreenIcon() {
  return (
    <Icon>
      <rect x="2.5" y="4" width="19" height="13" rx="2.5" />
      <path d="M8.5 21h7M12 13.5V8M9.2 10.4L12 7.6l2.8 2.8" />
    </Icon>
  );
}

export function ScreenOffIcon() {
  return (
    <Icon>
      <rect x="2.5" y="4" width="19" height="13" rx="2.5" />
      <path d="M8.5 21h7M9.7 8.2l4.6 4.6M14.3 8.2l-4.6 4.6" />
    </Icon>
  );
}

export function ChatIcon() {
  return (
    <Icon>
      <path d="M6.5 4h11A3.5 3.5 0 0 1 21 7.5v6a3.5 3.5 0 0 1-3.5 3.5H12l-4.6 3.7a.55.55 0 0 1-.9-.4V17A3.5 3.5 0 0 1 3 13.5v-6A3.5 3.5 0 0 1 6.5 4z" />
      <path d="M8 9h8M8 12.5h5" />
    </Icon>
  );
}

export function MembersIcon() {
  return (
    <Icon>
      <circle cx="9" cy="8" r="3.5" />
      <path d="M2.5 19.5c.4-3.3 3-5.3 6.5-5.3s6.1 2 6.5 5.3M15.5 4.8a3.5 3.5 0 0 1 0 6.4M18 14.7c2 .8 3.2 2.5 3.5 4.8" />
    </Icon>
  );
}

/** A telephone receiver, laid down. */
export function LeaveIcon() {
  return (
    <Icon>
      <path d="M2.6 13.9c-.3-1 0-2.1.8-2.8 2.3-1.9 5.3-3 8.6-3s6.3 1.1 8.6 3c.8.7 1.1 1.8.8 2.8l-.3 1c-.3.9-1.1 1.4-2 1.3l-2.4-.4c-.9-.1-1.5-.8-1.6-1.6l-.2-1.7a10.5 10.5 0 0 0-5.8 0l-.2 1.7c-.1.8-.7 1.5-1.6 1.6l-2.4.4c-.9.1-1.7-.4-2-1.3z" />
    </Icon>
  );
}

export function SettingsIcon() {
  return (
    <Icon>
      <path d="M4 7h9M19 7h1M4 17h1M11 17h9" />
      <circle cx="16" cy="7" r="2.8" />
      <circle cx="8" cy="17" r="2.8" />
    </Icon>
  );
}

export function CopyIcon() {
  return (
    <Icon>
      <rect x="8.5" y="8.5" width="12" height="12" rx="2.5" />
      <path d="M5.5 15.5a2 2 0 0 1-2-2V5.5a2 2 0 0 1 2-2h8a2 2 0 0 1 2 2" />
    </Icon>
  );
}

export function QrIcon() {
  return (
    <Icon>
      <rect x="3.5" y="3.5" width="6.5" height="6.5" rx="1.5" />
      <rect x="14" y="3.5" width="6.5" height="6.5" rx="1.5" />
      <rect x="3.5" y="14" width="6.5" height="6.5" rx="1.5" />
      <path d="M14 14h2.5v2.5M20.5 14v2.5M14 20.5h2.5M20.5 20v.5" />
    </Icon>
  );
}

export function CloseIcon() {
  return (
    <Icon>
      <path d="M6 6l12 12M18 6L6 18" />
    </Icon>
  );
}

export function SendIcon() {
  return (
    <Icon>
      <path d="M4.2 5.1l15.7 6.3a.65.65 0 0 1 0 1.2L4.2 18.9a.65.65 0 0 1-.9-.8L5.5 12 3.3 5.9a.65.65 0 0 1 .9-.8zM5.5 12H12" />
    </Icon>
  );
}

export function WarningIcon() {
  return (
    <Icon>
      <path d="M10.3 4.4L2.8 17.5A2 2 0 0 0 4.5 20.5h15a2 2 0 0 0 1.7-3L13.7 4.4a2 2 0 0 0-3.4 0zM12 9.5v4M12 16.8v.2" />
    </Icon>
  );
}

export function SoundIcon() {
  return (
    <Icon>
      <path d="M4 9.5h3.5L12.5 5v14l-5-4.5H4zM16 9a4.2 4.2 0 0 1 0 6M18.5 6.5a7.8 7.8 0 0 1 0 11" />
    </Icon>
  );
}

export function ChatOffIcon() {
  return (
    <Icon>
      <path d="M9.5 4h8A3.5 3.5 0 0 1 21 7.5v6c0 1-.4 1.9-1 2.5M17 17h-5l-4.6 3.7a.55.55 0 0 1-.9-.4V17A3.5 3.5 0 0 1 3 13.5v-6c0-1.2.6-2.2 1.5-2.9" />
      <path d="M3.5 3.5l17 17" />
    </Icon>
  );
}

export function LockIcon() {
  return (
    <Icon>
      <rect x="4.5" y="10.5" width="15" height="10" rx="2.5" />
      <path d="M8 10.5V7.5a4 4 0 0 1 8 0v3M12 14.5v2" />
    </Icon>
  );
}

export function UnlockedIcon() {
  return (
    <Icon>
      <rect x="4.5" y="10.5" width="15" height="10" rx="2.5" />
      <path d="M8 10.5V7.5a4 4 0 0 1 7.6-1.7M12 14.5v2" />
    </Icon>
  );
}

export function DoorIcon() {
  return (
    <Icon>
      <path d="M6 20.5v-15a2 2 0 0 1 2-2h8a2 2 0 0 1 2 2v15M3.5 20.5h17M14.3 12v.6" />
    </Icon>
  );
}

export function ShieldIcon() {
  return (
    <Icon>
      <path d="M12 3.2l7 2.6v5.4c0 4.3-2.8 7.5-7 9.3-4.2-1.8-7-5-7-9.3V5.8zM9 11.8l2.2 2.2 4-4.2" />
    </Icon>
  );
}

export function MoreIcon() {
  return (
    <Icon>
      <path d="M12 5.5v.1M12 12v.1M12 18.5v.1" stroke-width="3" />
    </Icon>
  );
}

export function RemoveMemberIcon() {
  return (
    <Icon>
      <circle cx="10" cy="8" r="3.5" />
      <path d="M3.5 19.5c.4-3.3 3-5.3 6.5-5.3 1.6 0 3 .4 4 1.2M16.5 16.5l4.5 4.5M21 16.5L16.5 21" />
    </Icon>
  );
}

export function StarIcon() {
  return (
    <Icon>
      <path d="M12 3.6l2.6 5.3 5.8.8-4.2 4.1 1 5.8-5.2-2.7-5.2 2.7 1-5.8-4.2-4.1 5.8-.8z" />
    </Icon>
  );
}

export function KeyIcon() {
  return (
    <Icon>
      <circle cx="8" cy="15.5" r="4.5" />
      <path d="M11.3 12.2L20 3.5M16 7.5l3 3" />
    </Icon>
  );
}

/** Nothing gets through. */
export function SignalOffIcon() {
  return (
    <Icon>
      <path d="M6 19v-4M12 19v-4M18 19V9" opacity="0.5" stroke-width="3" />
      <path d="M4 4l16 16" />
    </Icon>
  );
}

/** Two bights, one through the other. */
export function Logo() {
  return (
    <svg class="logo" viewBox="0 0 32 32" aria-hidden="true" focusable="false">
      <rect class="logo-ground" width="32" height="32" rx="9" />
      <path class="logo-rope" d="M5.5 9h10a5.5 5.5 0 0 1 0 11h-10" />
      <path class="logo-gap" d="M17.5 12h6" />
      <path class="logo-rope second" d="M26.5 12h-10a5.5 5.5 0 0 0 0 11h10" />
      <path class="logo-gap" d="M8.5 20h6" />
      <path class="logo-rope" d="M15.5 20h-10" />
    </svg>
  );
}

/** None to three bars of three. */
export function SignalIcon({ bars }: { bars: number }) {
  return (
    <Icon>
      {["M6 19v-4", "M12 19v-9", "M18 19V5"].map((bar, index) => (
        <path key={bar} d={bar} stroke-width="3" opacity={index < bars ? 1 : 0.3} />
      ))}
    </Icon>
  );
}

export function PaperclipIcon() {
  return (
    <Icon>
      <path d="M20 11.2l-8.3 8.3a5.3 5.3 0 0 1-7.5-7.5l8.6-8.6a3.5 3.5 0 0 1 5 5l-8.5 8.5a1.75 1.75 0 0 1-2.5-2.5l7.7-7.7" />
    </Icon>
  );
}

export function FileIcon() {
  return (
    <Icon>
      <path d="M13.5 3H7a2 2 0 0 0-2 2v14a2 2 0 0 0 2 2h10a2 2 0 0 0 2-2V8.5zM13.5 3v5.5H19" />
    </Icon>
  );
}

export function TextFileIcon() {
  return (
    <Icon>
      <path d="M13.5 3H7a2 2 0 0 0-2 2v14a2 2 0 0 0 2 2h10a2 2 0 0 0 2-2V8.5zM13.5 3v5.5H19M8.5 13h7M8.5 16.5h5" />
    </Icon>
  );
}

export function PictureIcon() {
  return (
    <Icon>
      <rect x="3.5" y="4.5" width="17" height="15" rx="2.5" />
      <circle cx="9" cy="10" r="1.7" />
      <path d="M4 17l4.5-4 3.5 3 3-2.5 5 4" />
    </Icon>
  );
}

export function ArchiveIcon() {
  return (
    <Icon>
      <path d="M4.5 8.5v10a2 2 0 0 0 2 2h11a2 2 0 0 0 2-2v-10M10 12.5h4" />
      <rect x="3" y="4" width="18" height="4.5" rx="1.5" />
    </Icon>
  );
}

export function ChevronIcon({ down }: { down: boolean }) {
  return (
    <Icon>
      <path d={down ? "M6.5 9.5L12 15l5.5-5.5" : "M6.5 14.5L12 9l5.5 5.5"} />
    </Icon>
  );
}
