/**
 * @file Analyzes the regular expressions of pre-tokenizers: which two characters next to each other no match
 * ever reads together. Between two such characters a text may be cut without changing a match.
 *
 * The expression is read into positions (one per character class) and the pairs of positions that can follow
 * each other (Glushkov's construction). Whatever is not understood gives no analysis, which is safe.
 */

/** What is known about an expression and two characters. */
export interface RegexAnalysis {
  /** True if no match, and no look ahead, reads `first` and then `second`. */
  separates(first: string, second: string): boolean;
  /** True if every attempt to match at this character succeeds, whatever follows. */
  alwaysMatches(char: string): boolean;
  /** True if no match contains this character. */
  neverMatches(char: string): boolean;
}

/** Whether a character belongs to a position. */
type CharTest = (char: string) => boolean;

type Node =
  | { readonly type: 'char'; readonly test: CharTest }
  | { readonly type: 'sequence' | 'choice'; readonly items: readonly Node[] }
  | {
      readonly type: 'repeat';
      readonly item: Node;
      readonly min: number;
      /** True if the item can be matched more than once. */
      readonly isMany: boolean;
      readonly isPossessive: boolean;
    }
  | { readonly type: 'ahead'; readonly item: Node };

/** Analyzes an expression in the syntax of Oniguruma; undefined if it has a part that is not understood. */
export function analyzeRegex(pattern: string): RegexAnalysis | undefined {
  const root = parseRegex(pattern);
  return root && createAnalysis(root);
}

/** Analyzes a pattern that matches a fixed text. */
export const analyzeText = (text: string): RegexAnalysis =>
  createAnalysis({
    type: 'sequence',
    items: [...text].map((char): Node => ({ type: 'char', test: (other) => other === char })),
  });

function createAnalysis(root: Node): RegexAnalysis {
  const follow: (readonly [CharTest, CharTest])[] = [];
  collectFollow(root, follow);
  const tests: CharTest[] = [];
  collectTests(root, tests);
  return {
    separates: (first, second) => !follow.some(([a, b]) => a(first) && b(second)),
    alwaysMatches: (char) => matchesAlone(root, char),
    neverMatches: (char) => !tests.some((test) => test(char)),
  };
}

/** A node's first and last positions. `isNullable`: it can match nothing. */
interface Ends {
  readonly first: readonly CharTest[];
  readonly last: readonly CharTest[];
  readonly isNullable: boolean;
}

/** Collects the pairs of positions that follow each other; returns the ends of the node. */
function collectFollow(node: Node, follow: (readonly [CharTest, CharTest])[]): Ends {
  const join = (last: readonly CharTest[], first: readonly CharTest[]): void => {
    for (const a of last) for (const b of first) follow.push([a, b]);
  };
  switch (node.type) {
    case 'char':
      return { first: [node.test], last: [node.test], isNullable: false };
    case 'choice': {
      const ends = node.items.map((item) => collectFollow(item, follow));
      return {
        first: ends.flatMap(({ first }) => first),
        last: ends.flatMap(({ last }) => last),
        isNullable: ends.some(({ isNullable }) => isNullable),
      };
    }
    case 'sequence': {
      let total: Ends = { first: [], last: [], isNullable: true };
      for (const item of node.items) {
        const ends = collectFollow(item, follow);
        join(total.last, ends.first);
        // What is looked at is read after what precedes it, but nothing follows it.
        if (item.type === 'ahead') {
          if (total.isNullable) total = { ...total, first: [...total.first, ...ends.first] };
          continue;
        }
        total = {
          first: total.isNullable ? [...total.first, ...ends.first] : total.first,
          last: ends.isNullable ? [...total.last, ...ends.last] : ends.last,
          isNullable: total.isNullable && ends.isNullable,
        };
      }
      return total;
    }
    case 'repeat': {
      const ends = collectFollow(node.item, follow);
      if (node.isMany) join(ends.last, ends.first);
      return { ...ends, isNullable: ends.isNullable || node.min === 0 };
    }
    case 'ahead':
      return { first: collectFollow(node.item, follow).first, last: [], isNullable: true };
  }
}

/** Collects the positions that a match can contain. */
function collectTests(node: Node, tests: CharTest[]): void {
  if (node.type === 'char') tests.push(node.test);
  else if (node.type === 'repeat') collectTests(node.item, tests);
  else if (node.type !== 'ahead') for (const item of node.items) collectTests(item, tests);
}

/** Whether a match that begins at `char` and ends after it exists, whatever follows. */
function matchesAlone(node: Node, char: string): boolean {
  switch (node.type) {
    case 'char':
      return node.test(char);
    case 'choice':
      return node.items.some((item) => matchesAlone(item, char));
    case 'repeat':
      return node.min <= 1 && matchesAlone(node.item, char);
    case 'sequence':
      return node.items.some(
        (item, i) =>
          matchesAlone(item, char) &&
          node.items.every((other, j) => j === i || canSkip(other, j < i ? char : undefined)),
      );
    case 'ahead':
      return false;
  }
}

/** Whether a node can match nothing. A possessive one before `next` must not be able to take it. */
function canSkip(node: Node, next: string | undefined): boolean {
  if (node.type !== 'repeat' || node.min > 0) return false;
  if (!node.isPossessive || next === undefined) return true;
  const tests: CharTest[] = [];
  collectTests(node.item, tests);
  return !tests.some((test) => test(next));
}

/** Thrown where an expression is not understood. */
class UnknownSyntax extends Error {}

function parseRegex(pattern: string): Node | undefined {
  try {
    return createParser(pattern).parse();
  } catch (error) {
    // V8 refuses a class that only Oniguruma knows with a SyntaxError.
    if (error instanceof UnknownSyntax || error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/** Classes that mean more in Oniguruma than in JavaScript. */
const classEscapes: Readonly<Record<string, string>> = {
  w: '[\\p{L}\\p{M}\\p{N}\\p{Pc}]',
  W: '[^\\p{L}\\p{M}\\p{N}\\p{Pc}]',
  d: '\\p{Nd}',
  D: '\\P{Nd}',
  s: '[\\t\\n\\v\\f\\r\\x85\\p{Z}]',
  S: '[^\\t\\n\\v\\f\\r\\x85\\p{Z}]',
};
const literalEscapes: Readonly<Record<string, string>> = { n: '\n', r: '\r', t: '\t', f: '\f', v: '\v' };

function createParser(pattern: string): { parse(): Node } {
  let at = 0;
  let ignoresCase = false;
  const fail = (): never => {
    throw new UnknownSyntax(`${pattern} at ${at}`);
  };
  const takeIf = (text: string): boolean => {
    if (!pattern.startsWith(text, at)) return false;
    at += text.length;
    return true;
  };
  const takeMatch = (regex: RegExp): RegExpExecArray | undefined => {
    regex.lastIndex = at;
    const match = regex.exec(pattern);
    if (match) at += match[0].length;
    return match ?? undefined;
  };
  const toChar = (source: string): Node => {
    const test = new RegExp(`^${source}$`, ignoresCase ? 'iv' : 'v');
    return { type: 'char', test: (char) => test.test(char) };
  };
  const toLiteral = (char: string): Node => toChar(char.replace(/[\^$\\.*+?()[\]{}|/-]/, '\\$&'));

  const parseChoice = (): Node => {
    const items = [parseSequence()];
    while (takeIf('|')) items.push(parseSequence());
    return items.length === 1 ? items[0]! : { type: 'choice', items };
  };

  const parseSequence = (): Node => {
    const items: Node[] = [];
    while (at < pattern.length && pattern[at] !== '|' && pattern[at] !== ')') items.push(parseRepeat());
    return { type: 'sequence', items };
  };

  const parseRepeat = (): Node => {
    let node = parseAtom();
    for (;;) {
      const match = takeMatch(/[*+?]|\{(\d*)(?:(,)(\d*))?\}/y);
      if (!match) return node;
      if (node.type === 'ahead') fail();
      const isBounded = match[0].startsWith('{');
      const min = isBounded ? Number(match[1] || 0) : match[0] === '+' ? 1 : 0;
      const isPossessive = !isBounded && takeIf('+');
      if (!isPossessive) takeIf('?');
      const isMany = isBounded ? match[0] !== '{1}' && match[0] !== '{0,1}' : match[0] !== '?';
      node = { type: 'repeat', item: node, min, isMany, isPossessive };
    }
  };

  const parseGroup = (): Node => {
    const flags = takeMatch(/\?(i?)(-[a-z]+)?:/y);
    if (flags?.[2] !== undefined) fail();
    const isAhead = !flags && (takeIf('?=') || takeIf('?!'));
    if (!flags && !isAhead && !takeMatch(/\?<[A-Za-z_]\w*>/y) && pattern[at] === '?') fail();
    const outerIgnoresCase = ignoresCase;
    if (flags?.[1] === 'i') ignoresCase = true;
    const item = parseChoice();
    ignoresCase = outerIgnoresCase;
    if (!takeIf(')')) fail();
    return isAhead ? { type: 'ahead', item } : { type: 'sequence', items: [item] };
  };

  const parseEscape = (): Node => {
    const property = takeMatch(/\\[pP]\{\^?\w+\}/y);
    if (property) return toChar(toProperty(property[0]));
    const code = takeMatch(/\\u([0-9A-Fa-f]{4})|\\x\{?([0-9A-Fa-f]+)\}?/y);
    if (code) return toLiteral(String.fromCodePoint(parseInt(code[1] ?? code[2]!, 16)));
    const char = pattern[at + 1] ?? fail();
    at += 2;
    if (classEscapes[char] !== undefined) return toChar(classEscapes[char]);
    if (literalEscapes[char] !== undefined) return toLiteral(literalEscapes[char]);
    return /[A-Za-z0-9]/.test(char) ? fail() : toLiteral(char);
  };

  const parseAtom = (): Node => {
    if (takeIf('(')) return parseGroup();
    if (pattern[at] === '[') return toChar(takeClass());
    if (pattern[at] === '\\') return parseEscape();
    if (/[\^$*+?)\]{}]/.test(pattern[at]!)) fail();
    if (takeIf('.')) return toChar('[^\\n]');
    const char = String.fromCodePoint(pattern.codePointAt(at)!);
    at += char.length;
    return toLiteral(char);
  };

  /** Reads a class, and returns it in the syntax of JavaScript. */
  const takeClass = (): string => {
    at++;
    let source = takeIf('^') ? '[^' : '[';
    while (!takeIf(']')) {
      if (at >= pattern.length) fail();
      if (pattern.startsWith('[:', at)) fail();
      if (pattern[at] === '[') source += takeClass();
      else if (takeIf('&&')) source += '&&';
      else source += takeClassItem();
    }
    return `${source}]`;
  };

  const takeClassItem = (): string => {
    const property = takeMatch(/\\[pP]\{\^?\w+\}/y);
    if (property) return toProperty(property[0]);
    const code = takeMatch(/\\u[0-9A-Fa-f]{4}|\\x[0-9A-Fa-f]{2}/y);
    if (code) return code[0];
    if (takeIf('-')) return pattern[at] === ']' || pattern[at - 2] === '[' ? '\\-' : '-';
    if (pattern[at] !== '\\') {
      const char = String.fromCodePoint(pattern.codePointAt(at)!);
      at += char.length;
      return escapeInClass(char);
    }
    const char = pattern[at + 1] ?? fail();
    at += 2;
    if (classEscapes[char] !== undefined) return classEscapes[char];
    if (literalEscapes[char] !== undefined) return `\\${char}`;
    return /[A-Za-z0-9]/.test(char) ? fail() : escapeInClass(char);
  };

  return {
    parse() {
      const node = parseChoice();
      return at === pattern.length ? node : fail();
    },
  };
}

/** `\p{^L}` is `\P{L}`. */
const toProperty = (source: string): string =>
  source.includes('^') ? source.replace('^', '').replace(/^\\p/, '\\P') : source;

/** A character of a class, escaped for the v flag. */
const escapeInClass = (char: string): string =>
  /[\^$\\.*+?()[\]{}|/\-&!#%,:;<=>@`~]/.test(char) ? `\\${char}` : char;
