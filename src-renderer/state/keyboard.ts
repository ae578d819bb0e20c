/** @file Keyboard shortcuts: the command key of the platform, and whether a key press is meant for a text field. */

const isMac = /Mac|iP(hone|ad)/.test(navigator.platform);
/** How the command key is written on this platform. */
export const commandKeyLabel = isMac ? '⌘' : 'Ctrl';

/** True for a press of Ctrl or ⌘ with this key and nothing else. */
export const isCommand = (event: KeyboardEvent, key: string): boolean =>
  (event.ctrlKey || event.metaKey) && !event.altKey && !event.shiftKey && event.key.toLowerCase() === key;

/** True if the focus is in a field that takes letters. */
export function isTyping(event: KeyboardEvent): boolean {
  const target = event.target as HTMLElement | null;
  return target?.matches('input:not([type=checkbox], [type=radio], [type=range]), textarea, select') ?? false;
}

/** The shortcut of a form's main button, for aria-keyshortcuts. */
export const submitShortcut = 'Control+Enter Meta+Enter';

/** An attachment: Ctrl or ⌘ with Enter presses the form's main button, wherever the focus is on the page. */
export function submitByShortcut(form: HTMLFormElement): () => void {
  const press = (event: KeyboardEvent): void => {
    if (!isCommand(event, 'enter') || document.querySelector('dialog[open]')) return;
    event.preventDefault();
    form.querySelector<HTMLButtonElement>('button.primary:not([type=button])')?.click();
  };
  window.addEventListener('keydown', press);
  return () => {
    window.removeEventListener('keydown', press);
  };
}
