/** @file Makes text safe to print: names of models and runs, samples and listings come from others. */

/**
 * Control characters but tab and line feed, and those that change the direction of text: they move the cursor, clear
 * the screen, write to the clipboard, or make a line read as another one.
 */
const controls = /[\0-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff]/g;

/** Writes control and bidi characters as `\u{1b}`. */
export const escapeControls = (text: string): string =>
  text.replace(controls, (character) => `\\u{${character.codePointAt(0)!.toString(16)}}`);

/** The same in JSON, which stays valid. */
export const escapeJsonControls = (json: string): string =>
  json.replace(controls, (character) => `\\u${character.codePointAt(0)!.toString(16).padStart(4, '0')}`);
