/** @file Random changes of JSON values and texts that know their structure. */
import { deriveKey, integerAt } from '../../../src-main/base/random.ts';

/** A source of random choices. */
export interface Dice {
  below(count: number): number;
  pick<T>(items: readonly T[]): T;
}

export function createDice(seed: number, ...names: readonly (string | number)[]): Dice {
  const key = deriveKey(seed, ...names);
  let thrown = 0;
  const below = (count: number): number => integerAt(key, thrown++, count);
  return { below, pick: (items) => items[below(items.length)]! };
}

/** Values that programs stumble over. */
const hostile: readonly unknown[] = [
  null,
  true,
  false,
  0,
  -1,
  1.5,
  1e308,
  -1e308,
  2 ** 53,
  2 ** 31,
  1e-320,
  '',
  'x',
  '__proto__',
  'constructor',
  'toString',
  '../../x',
  '/etc/passwd',
  '\u0000',
  '\ud800',
  'x'.repeat(3000),
  [],
  {},
  [[]],
  [null],
  { a: 1 },
  Array.from({ length: 300 }, (_, i) => i),
];
/** A copy, which later changes may change. */
const pickHostile = (dice: Dice): unknown => structuredClone(dice.pick(hostile));
const names = ['__proto__', 'constructor', 'length', 'toString', '', 'version', '0', 'hasOwnProperty'];

type Container = Record<string, unknown> | unknown[];
const isContainer = (value: unknown): value is Container => typeof value === 'object' && value !== null;

/** Every container of a value with its depth first. */
function listContainers(value: unknown): Container[] {
  if (!isContainer(value)) return [];
  return [value, ...Object.values(value).flatMap(listContainers)];
}

/** Sets a key as JSON.parse does: also `__proto__`, which an assignment would not. */
const setOwn = (container: Container, key: string, value: unknown): void => {
  Object.defineProperty(container, key, { value, writable: true, enumerable: true, configurable: true });
};

/** Changes one place of a value, which is changed in place. */
function mutateOnce(root: unknown, dice: Dice): unknown {
  const containers = listContainers(root);
  if (containers.length === 0 || dice.below(40) === 0) return pickHostile(dice);
  const container = dice.pick(containers);
  const keys = Object.keys(container);
  const kind = dice.below(6);
  if (kind === 0 || keys.length === 0) {
    if (Array.isArray(container)) container.push(pickHostile(dice));
    else setOwn(container, dice.pick(names), pickHostile(dice));
    return root;
  }
  const key = dice.pick(keys);
  if (kind === 1) {
    if (Array.isArray(container)) container.splice(Number(key), 1);
    else Reflect.deleteProperty(container, key);
  } else if (kind === 2) {
    const other = dice.pick(containers);
    const source = Object.values(other);
    // A copy: a value may not contain itself.
    if (source.length > 0) setOwn(container, key, structuredClone(dice.pick(source)));
  } else if (kind === 3 && typeof (container as Record<string, unknown>)[key] === 'number') {
    const before = (container as Record<string, number>)[key]!;
    setOwn(container, key, dice.pick([before + 1, before - 1, -before, before * 1e6, before / 3]));
  } else setOwn(container, key, pickHostile(dice));
  return root;
}

/** The text of a JSON value after a few changes, sometimes cut off or with a few other bytes. */
export function mutateJson(value: unknown, dice: Dice): string {
  let mutated: unknown = structuredClone(value);
  const changes = 1 + dice.below(4);
  for (let i = 0; i < changes; i++) mutated = mutateOnce(mutated, dice);
  const text = JSON.stringify(mutated) ?? '';
  return dice.below(12) === 0 ? mutateText(text, dice) : text;
}

/** A text that is cut off, repeated in part, or has a few other characters. */
export function mutateText(text: string, dice: Dice): string {
  const at = dice.below(text.length + 1);
  const kind = dice.below(4);
  if (kind === 0) return text.slice(0, at);
  if (kind === 1) return text.slice(0, at) + text.slice(dice.below(text.length + 1));
  if (kind === 2)
    return text.slice(0, at) + dice.pick(['{', '}', '"', '\n', ',', '\0', '\ufeff', '9']) + text.slice(at);
  return text.slice(0, at) + String.fromCharCode(dice.below(256)) + text.slice(at + 1);
}
