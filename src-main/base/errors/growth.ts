/** @file Errors of growth requests and plans. */
import { listNames, suggestNearest, type ErrorText } from './text.ts';

/** A size that cannot change from `from` to `to`; `nearest` are sizes that can be chosen instead. */
interface SizeChange {
  axis: string;
  from: number;
  to: number;
  nearest: readonly number[];
}

export const growthErrors = {
  'growth/not-a-multiple': (d: SizeChange): ErrorText => [
    `${d.axis} ${d.from} → ${d.to} is not a whole multiple`,
    `The nearest possible ${d.axis} is ${d.nearest.join(' or ')}; the method "expand" grows to any size.`,
  ],
  'growth/post-norm': (d: SizeChange): ErrorText => [
    `${d.axis} ${d.from} → ${d.to} would pad a normalised residual stream, which makes the new entries constant`,
    suggestNearest(d.axis, d.nearest, 'Use the method "hypercloning", which copies the whole width.'),
  ],
  'growth/smaller': (d: { axis: string; from: number; to: number }): ErrorText => [
    `${d.axis} cannot shrink from ${d.from} to ${d.to}`,
    `Choose ${d.from} or more.`,
  ],
  'growth/not-an-integer': (d: { axis: string; from: number }): ErrorText => [
    `${d.axis} must be a whole number`,
    `Enter a whole number of ${d.from} or more.`,
  ],
  'growth/not-by-this-method': (d: {
    axis: string;
    method: string;
    methods: readonly string[];
  }): ErrorText => [
    `${d.method} does not grow ${d.axis}`,
    d.methods.length > 0 ? `Use ${listNames(d.methods)}.` : 'Leave this size as it is.',
  ],
  'growth/frozen': (d: { axis: string; why: string }): ErrorText => [
    `${d.axis} cannot grow: ${d.why}`,
    'Grow the number of heads instead.',
  ],
  'growth/derived': (d: {
    axis: string;
    from: string;
    nearest: readonly number[];
    of: string;
  }): ErrorText => [
    `${d.axis} must be a whole number and follows from ${d.from}`,
    suggestNearest(d.of, d.nearest, 'Change the other sizes too.'),
  ],
  'growth/constraint': (d: {
    axis: string;
    to: number;
    why: string;
    nearest: readonly number[];
  }): ErrorText => [
    `${d.axis} ${d.to} is not possible: ${d.why}`,
    suggestNearest(d.axis, d.nearest, 'Change the other sizes too.'),
  ],
  'growth/not-whole': (d: {
    axis: string;
    from: number;
    times: number;
    nearest: readonly number[];
  }): ErrorText => [
    `${d.axis} ${d.from} × ${d.times} is not a whole number`,
    `Give the size itself, for example ${d.nearest.join(' or ')}.`,
  ],
  'growth/unknown-axis': (d: { axis: string; known: readonly string[] }): ErrorText => [
    `"${d.axis}" is not a size of this architecture`,
    `Its sizes are ${listNames(d.known, 20)}.`,
  ],
  'growth/unknown-method': (d: { method: string; known: readonly string[] }): ErrorText => [
    `"${d.method}" is not a growth method`,
    `The methods are ${listNames(d.known, 20)}.`,
  ],
  'growth/bad-option': (d: { method: string; option: string; why: string }): ErrorText => [
    `${d.method}, option ${d.option}: ${d.why}`,
    'See cambium plan --help for the options of each method.',
  ],
  'growth/nothing': (d: { method: string }): ErrorText => [
    `${d.method} would change no size`,
    'Raise at least one size.',
  ],
  'growth/no-mixture': (d: { family: string; known: readonly string[] }): ErrorText => [
    `there is no mixture-of-experts architecture for ${d.family}`,
    `Architectures that have one: ${listNames(d.known, 20)}.`,
  ],
  'growth/option-conflict': (d: {
    method: string;
    option: string;
    value: number | string;
    why: string;
    nearest: readonly number[];
  }): ErrorText => [
    `${d.option} ${d.value} is not possible: ${d.why}`,
    suggestNearest(d.option, d.nearest, `Choose another ${d.option}.`),
  ],
  'growth/too-large': (d: { axis: string; to: number; most: number }): ErrorText => [
    `${d.axis} ${d.to} is too large`,
    `Choose at most ${d.most}.`,
  ],
  'growth/bad-plan': (d: { path: string; why: string }): ErrorText => [
    `${d.path} is not a valid plan: ${d.why}`,
    'Create it again with cambium plan --save or on the Grow page.',
  ],
  'growth/no-certificate': (d: { path: string }): ErrorText => [
    `${d.path} has no certificate`,
    'Compare it with its source: cambium verify SOURCE GROWN --save.',
  ],
  'growth/other-source': (d: { source: string; what: string; plan: string; found: string }): ErrorText => [
    `the plan was made for another checkpoint: ${d.what} is ${d.plan} in the plan and ${d.found} in ${d.source}`,
    'Choose the checkpoint that the plan was made for, or make a new plan.',
  ],
} as const;
