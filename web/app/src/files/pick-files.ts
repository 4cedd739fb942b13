/** The browser's dialog for files. */

/** Held here, or the browser may clear it away while its dialog is open. */
let input: HTMLInputElement | null = null;

/** To be called within a click. Calls back with at least one file, or not at all. */
export function pickFiles(callback: (files: readonly File[]) => void): void {
  const picker = document.createElement("input");
  picker.type = "file";
  picker.multiple = true;
  picker.addEventListener("change", () => {
    input = null;
    callback([...(picker.files ?? [])]);
  });
  input = picker;
  input.click();
}
