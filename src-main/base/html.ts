/** @file Text in web pages that are written as strings. */

/** Escapes text for the content of an element, or for an attribute in quotes. */
export const escapeHtml = (text: string): string =>
  text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);

/** Colours and type of a report, light and dark. */
const reportStyles = `
:root {
  color-scheme: light dark;
  --ink: light-dark(#1c2321, #e6ece9);
  --soft: light-dark(#5b6662, #9aa8a2);
  --paper: light-dark(#fbfcfa, #141816);
  --rule: light-dark(#dfe5e1, #2c3531);
}
body {
  font: 16px/1.5 system-ui, sans-serif;
  color: var(--ink);
  background: var(--paper);
  max-width: 60rem;
  margin: 2rem auto;
  padding: 0 1rem;
  font-variant-numeric: tabular-nums;
}
h1 { font-size: 1.6rem; margin: 0; }
h2 { font-size: 1.15rem; margin: 2rem 0 .5rem; }
.soft { color: var(--soft); }
svg { width: 100%; height: auto; font: 12px system-ui, sans-serif; fill: var(--soft); }
polyline { fill: none; stroke-width: 2; stroke-linejoin: round; }
.grid { stroke: var(--rule); }
table { border-collapse: collapse; width: 100%; }
th { text-align: left; font-weight: 600; vertical-align: top; padding: .4rem 1rem .4rem 0; }
td { padding: .4rem 1rem .4rem 0; vertical-align: top; }
tr + tr { border-top: 1px solid var(--rule); }
`;

/** A report as one file that needs no other: `title` is text, `body` HTML, `styles` CSS after that of all reports. */
export const renderReport = (title: string, styles: string, body: string): string => `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeHtml(title)}</title>
<style>${reportStyles}${styles}</style>
</head>
<body>
${body}
</body>
</html>
`;
