/** @file Text in web pages that are written as strings. */

/** Escapes text for the content of an element, or for an attribute in quotes. */
export const escapeHtml = (text: string): string =>
  text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
