/**
 * @file The demo's result as one HTML page: the two loss curves with the source's loss as a line, and the
 * numbers as a table.
 */
import type { Curve, DemoResult, Point } from './demo.ts';

const number = (n: number): string => n.toLocaleString('en');
const nats = (loss: number): string => loss.toFixed(3);
const escaped = (text: string): string => text.replace(/[&<>"]/g, (c) => `&#${c.charCodeAt(0)};`);

/** What the demo found, as rows of label and value; the terminal's table and the page's are the same. */
export function findings(r: DemoResult): readonly (readonly [string, string])[] {
  const last = (c: Curve): number => c.heldOut.at(-1)!.loss;
  return [
    ['Source', `${number(r.source.parameters)} parameters, held-out loss ${nats(r.sourceLoss)}`],
    [
      'Grown ×2',
      `${number(r.plan.parameters.after)} parameters, promise ${r.plan.promise.kind}, largest |Δlogit| ${r.certificate.maxLogit.toExponential(1)} (allowed ${r.certificate.tolerance.toExponential(1)})`,
    ],
    [
      'Grown model after training',
      `held-out loss ${nats(r.grown.heldOut[0]!.loss)} → ${nats(last(r.grown))} in ${number(r.settings.tokens)} tokens, ${r.grown.seconds.toFixed(0)} s`,
    ],
    [
      'Random start after training',
      `held-out loss ${nats(r.random.heldOut[0]!.loss)} → ${nats(last(r.random))} in ${number(r.settings.tokens)} tokens, ${r.random.seconds.toFixed(0)} s`,
    ],
    [
      'Tokens the random start needs to reach where the grown one began',
      r.tokensToMatch === null ? `more than ${number(r.settings.tokens)}` : number(r.tokensToMatch),
    ],
    [
      'Export',
      `${r.exported.dir} (read back, largest |Δlogit| ${r.exported.maxLogit.toExponential(1)}, ${number(r.reopened.parameters)} parameters)`,
    ],
  ];
}

const width = 860;
const height = 380;
const left = 56;
const bottom = 40;
const top = 16;
const right = 16;

function chart(r: DemoResult): string {
  const curves = [r.grown, r.random];
  const most = r.settings.tokens;
  const all = [...curves.flatMap((c) => c.heldOut.map((p) => p.loss)), r.sourceLoss];
  const least = Math.min(...all);
  const low = Math.floor(least * 10) / 10;
  const high = Math.min(Math.ceil(Math.max(...all) * 10) / 10, low + 8 * Math.max(0.1, r.sourceLoss - least));
  const x = (tokens: number): number => left + ((width - left - right) * tokens) / most;
  const y = (loss: number): number => top + ((height - top - bottom) * (high - loss)) / (high - low);
  const line = (points: readonly Point[], of: string): string =>
    `<polyline class="${of}" points="${points.map((p) => `${x(p.tokens).toFixed(1)},${y(p.loss).toFixed(1)}`).join(' ')}"/>`;
  const ticks = Array.from({ length: 6 }, (_, i) => low + ((high - low) * i) / 5);
  const steps = Array.from({ length: 5 }, (_, i) => (most * i) / 4);
  return `<svg viewBox="0 0 ${width} ${height}" role="img" aria-label="Held-out loss over tokens: grown model and random start, with the source's loss">
<clipPath id="inside"><rect x="${left}" y="${top}" width="${width - left - right}" height="${height - top - bottom}"/></clipPath>
${ticks.map((t) => `<line class="grid" x1="${left}" x2="${width - right}" y1="${y(t)}" y2="${y(t)}"/><text x="${left - 8}" y="${y(t) + 4}" text-anchor="end">${t.toFixed(2)}</text>`).join('\n')}
${steps.map((t) => `<text x="${x(t)}" y="${height - 16}" text-anchor="${t === most ? 'end' : 'middle'}">${number(Math.round(t / 1000))} k${t === most ? ' tokens' : ''}</text>`).join('\n')}
<line class="source" x1="${left}" x2="${width - right}" y1="${y(r.sourceLoss)}" y2="${y(r.sourceLoss)}"/><text class="source-name" x="${width - right}" y="${y(r.sourceLoss) - 6}" text-anchor="end">the source, ${nats(r.sourceLoss)}</text>
<g clip-path="url(#inside)"><g class="faint">${line(r.random.steps, 'random')}${line(r.grown.steps, 'grown')}</g>
${line(r.random.heldOut, 'random')}${line(r.grown.heldOut, 'grown')}</g>
</svg>`;
}

/** The whole page; nothing in it is fetched. */
export const demoReport = (r: DemoResult): string => `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>Cambium demo</title><style>
:root { color-scheme: light dark; --ink: light-dark(#1c2321, #e6ece9); --soft: light-dark(#5b6662, #9aa8a2); --paper: light-dark(#fbfcfa, #141816); --rule: light-dark(#dfe5e1, #2c3531); --grown: light-dark(#1f7a4d, #4fc38a); --random: light-dark(#b4552d, #e9925f); --source: light-dark(#44577a, #90a9d6); }
body { font: 16px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); max-width: 56rem; margin: 2rem auto; padding: 0 1rem; font-variant-numeric: tabular-nums; }
h1 { font-size: 1.6rem; margin: 0 0 .25rem; } p { color: var(--soft); margin: .25rem 0 1rem; } svg { width: 100%; height: auto; font: 12px system-ui, sans-serif; fill: var(--soft); }
polyline { fill: none; stroke-width: 2.5; stroke-linejoin: round; } .grown { stroke: var(--grown); } .random { stroke: var(--random); } .faint polyline { stroke-width: 1; opacity: .35; }
.grid { stroke: var(--rule); } .source { stroke: var(--source); stroke-dasharray: 6 4; stroke-width: 1.5; } .source-name { fill: var(--source); }
table { border-collapse: collapse; width: 100%; } th { text-align: left; font-weight: 600; vertical-align: top; padding: .4rem 1rem .4rem 0; width: 34%; } td { padding: .4rem 0; overflow-wrap: anywhere; } tr + tr { border-top: 1px solid var(--rule); }
.key span { display: inline-block; width: 1.2rem; height: .25rem; border-radius: 2px; vertical-align: middle; margin-right: .4rem; } .key { display: flex; gap: 1.5rem; } blockquote { margin: .5rem 0; padding-left: 1rem; border-left: 3px solid var(--rule); white-space: pre-wrap; }
</style></head><body>
<h1>Grown, not started over</h1>
<p>The built-in ${escaped(r.source.familyTitle)} checkpoint grown ×2 by ${escaped(r.plan.request.method)}, trained beside random weights of the same size on the same batches. Bold lines: loss on held-out text, nats per token; faint ones: loss of each batch.</p>
<div class="key"><div><span style="background:var(--grown)"></span>grown</div><div><span style="background:var(--random)"></span>random start</div><div><span style="background:var(--source)"></span>source</div></div>
${chart(r)}
<table>${findings(r)
  .map(([what, value]) => `<tr><th scope="row">${escaped(what)}</th><td>${escaped(value)}</td></tr>`)
  .join('')}</table>
<h2>What they write</h2>
<p>The grown model after training</p><blockquote>${escaped(r.grown.sample)}</blockquote><p>The random start after training</p><blockquote>${escaped(r.random.sample)}</blockquote>
</body></html>
`;
