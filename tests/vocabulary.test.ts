import { describe, expect, it } from 'vitest';
import {
  collectErrorTexts,
  collectEventFields,
  collectHelpTexts,
  collectOptionTexts,
  collectPageTexts,
  splitName,
  type InterfaceText,
} from './support/interface-texts.ts';

/** Words that users should not have to learn, and what to write instead. */
const forbidden: readonly (readonly [RegExp, string])[] = [
  [/\b(told|foretold)\b/i, 'estimated, forecast, reported'],
  [/\b(what|as it) came\b/i, 'actual, measured'],
  [/\bsittings?\b/i, 'session'],
  [/\bstretch(es)?\b/i, 'segment'],
  [/\bbells?\b/i, 'normal noise'],
  [/\bkin\b/i, 'variants'],
  [/\b(hears?|heard|unheard|hearsay)\b/i, 'attend; not reproduced'],
  [/\bsay(s)? the same\b/i, 'function-preserving'],
  [/\bby itself\b/i, 'automatic'],
  [/\blet(s)? (it|them) (write|follow|part)\b/i, 'generate; auto; differ'],
  [/\bpart ways\b/i, 'differ'],
  [/\bgo(es|ing)? on\b|\bwent on\b/i, 'continue, resume'],
  [/\bover there\b/i, 'on the remote host'],
  [/\bfor ever\b/i, 'always'],
  [/\bwhoever\b|\bnobody\b/i, 'name the subject'],
  [/\bof its own\b|\bon their own\b/i, 'its own; alone'],
  [/\bstands? (beside|on|in|for)\b|\bbeside (it|them)\b/i, 'is in, next to'],
  [/\bnothing tells\b|\bno money\b/i, 'not measured yet'],
  [/\bcomes about\b|\bwhat follows\b/i, 'breakdown; estimate'],
  [/\b(apart|joined)\b/i, 'mask across documents: on, off'],
  [/\bcool ?down\b/i, 'decay fraction'],
  [/\bsparing\b/i, 'memory overrides'],
  [/\bthaws?\b/i, 'allows frozen'],
  [/\bunevenness\b/i, 'load-balancing loss'],
  [/\bdeviations?\b(?<!standard deviations?)/i, 'std, standard deviation'],
  [/\bGPU box(es)?\b|\bthis box\b|\bthe box\b/i, 'remote host'],
  [/\bcambium place\b|--place\b/i, 'cambium host, --host'],
  [/\bwhat would go\b/i, 'preview upload'],
  [/--(sequence|accumulate|floor|clip|recompute|rates)\b/, 'the current name of the flag'],
];

/** Each forbidden word with its source and the words around it. */
const findForbidden = (texts: readonly InterfaceText[]): string[] =>
  texts.flatMap(({ from, text }) =>
    forbidden.flatMap(([pattern, instead]) =>
      [...text.matchAll(new RegExp(pattern, `${pattern.flags}g`))].map(({ 0: found, index }) => {
        const context = text.slice(Math.max(0, index - 40), index + found.length + 40).replace(/\s+/g, ' ');
        return `${from}: "${found}" in "${context}"; write: ${instead}`;
      }),
    ),
  );

describe('the vocabulary of the interface', () => {
  it.each([
    ['options', collectOptionTexts, 100],
    ['errors', collectErrorTexts, 100],
    ['event fields', collectEventFields, 50],
    ['command help', collectHelpTexts, 15],
    ['pages', collectPageTexts, 300],
  ])('of %s has no private words', (_, collect, atLeast) => {
    const texts = collect();
    expect(texts.length).toBeGreaterThan(atLeast);
    expect(findForbidden(texts)).toEqual([]);
  });

  it('is checked for whole words', () => {
    const find = (text: string): string[] => findForbidden([{ from: 'here', text }]);
    expect(find('It goes on over there')).toHaveLength(2);
    expect(find('The kind of standard deviation that a kindergarten has')).toEqual([]);
    expect(splitName('emaDecay')).toBe('ema decay');
  });
});
