/**
 * @file The embedded corpus: short stories from a grammar. Names, counts, places and promises come up again in
 * later sentences, so a model has to remember them. The seed and the number of a story determine its text.
 */
import { integerAt, deriveKey } from '../base/random.ts';
import * as world from './toy-words.ts';
import { inWords } from './toy-words.ts';

interface Dice {
  readonly below: (n: number) => number;
  readonly pick: <T>(list: readonly T[]) => T;
  /** Picks `n` different entries, in random order. */
  readonly some: <T>(list: readonly T[], n: number) => T[];
}

function createDice(key: number): Dice {
  let draws = 0;
  const below = (n: number): number => integerAt(key, draws++, n);
  const pick = <T>(list: readonly T[]): T => list[below(list.length)]!;
  const some = <T>(list: readonly T[], n: number): T[] => {
    const left = [...list];
    return Array.from({ length: n }, () => left.splice(below(left.length), 1)[0]!);
  };
  return { below, pick, some };
}

/** What all episodes of a story share. */
interface Scene {
  readonly dice: Dice;
  readonly a: world.Person;
  readonly b: world.Person;
  readonly c: world.Person;
  readonly place: world.Place;
  /** What the main person did. Each episode adds one entry; the end of the story lists them. */
  readonly deeds: string[];
}

const capital = (text: string): string => text[0]!.toUpperCase() + text.slice(1);
const an = (noun: string): string => (/^[aeiou]/.test(noun) ? `an ${noun}` : `a ${noun}`);
const and = (items: readonly string[]): string =>
  items.length < 2 ? items.join('') : `${items.slice(0, -1).join(', ')} and ${items.at(-1)!}`;
const pair = (s: 'she' | 'he') =>
  s === 'she' ? { they: 'she', them: 'her', their: 'her' } : { they: 'he', them: 'him', their: 'his' };
const counted = (n: number, t: world.Thing): string =>
  `${n === 0 ? 'no' : inWords(n)} ${n === 1 ? t.one : t.many}`;
const left = (n: number): string =>
  n === 1 ? 'one was left' : n === 0 ? 'none were left' : `${inWords(n)} were left`;

/** Writes one episode: sentences that are true in the scene. */
type Episode = (s: Scene) => string;

const give: Episode = ({ dice, a, b, deeds }) => {
  const t = dice.pick(world.things);
  const had = 2 + dice.below(18);
  const gave = 1 + dice.below(had - 1);
  const lost = dice.below(had - gave + 1);
  const p = pair(a.she);
  deeds.push(`gave ${counted(gave, t)} to ${b.name}`);
  const first = `${a.name} had ${counted(had, t)} and gave ${inWords(gave)} to ${b.name}; ${left(had - gave)}.`;
  if (dice.below(2) === 0) return `${first} "Thank you," said ${b.name}. "Now I have ${counted(gave, t)}."`;
  return (
    `${first} Then ${p.they} dropped ${lost === 0 ? 'none' : inWords(lost)} on the way, ` +
    `and of ${p.their} ${t.many} ${left(had - gave - lost)}.`
  );
};

const find: Episode = ({ dice, a, b, place, deeds }) => {
  const t = dice.pick(world.things);
  const had = 1 + dice.below(12);
  const more = 1 + dice.below(12);
  const other = 1 + dice.below(20);
  const total = had + more;
  deeds.push(`found ${counted(more, t)}`);
  const verdict =
    total > other
      ? `${a.name} had more than ${b.name}`
      : total < other
        ? `${b.name} had more than ${a.name}`
        : 'they had the same';
  return (
    `${a.name} had ${counted(had, t)}. ${capital(dice.pick(place.spots))} ${pair(a.she).they} ` +
    `found ${inWords(more)} more, which made ${inWords(total)}. ` +
    `${b.name} had ${inWords(other)}, so ${verdict}.`
  );
};

const hide: Episode = ({ dice, a, b, place, deeds }) => {
  const [x, y] = dice.some(world.things, 2);
  const [cx, cy] = dice.some(world.colours, 2);
  const [sx, sy] = dice.some(place.spots, 2);
  const hidden = [
    { who: a, what: `${cx} ${x!.one}`, where: sx! },
    { who: b, what: `${cy} ${y!.one}`, where: sy! },
  ] as const;
  const asked = dice.pick(hidden);
  const seeker = asked.who === a ? b : a;
  const wrong = hidden.find((h) => h !== asked)!;
  deeds.push(`hid ${an(hidden[0].what)} ${sx!}`);
  const hiding = hidden.map((h) => `${h.who.name} hid ${an(h.what)} ${h.where}.`).join(' ');
  const question = `"Where is the ${asked.what}?" asked ${seeker.name}.`;
  return dice.below(2) === 0
    ? `${hiding} ${question} "It is ${asked.where}," said ${asked.who.name}.`
    : `${hiding} ${question} ${capital(pair(seeker.she).they)} looked ${wrong.where} first, ` +
        `but there was only the ${wrong.what}. ` +
        `Then ${pair(seeker.she).they} looked ${asked.where}, and there it was.`;
};

const meet: Episode = ({ dice, a, deeds }) => {
  const x = dice.pick(world.animals);
  const p = pair(a.she);
  const colour = dice.pick(world.colours);
  deeds.push(`met ${an(x.one)}`);
  return (
    `${an(`${colour} ${x.one}`).replace(/^./, (c) => c.toUpperCase())} came by. ` +
    `"${capital(x.says)}!" said the ${x.one}. ` +
    dice.pick([
      `It was hungry, so ${a.name} gave it ${x.eats}, and it ${x.moves} back to its ${x.home}.`,
      `${a.name} followed it to its ${x.home}, and there ${p.they} saw that it was full of ${x.eats}.`,
      `"Do you want ${x.eats}?" asked ${a.name}. ` +
        `The ${x.one} ate and ate until nothing was left, and then it ${x.moves} away.`,
    ])
  );
};

const trouble: Episode = ({ dice, a, b, deeds }) => {
  const c = dice.pick(world.causes);
  const [feeler, fixer] = dice.some([a, b], 2);
  deeds.push(`heard why ${c.effect}`);
  return (
    `${capital(c.event)}, so ${c.effect}. ${feeler!.name} was ${c.feels}. ` +
    dice.pick([
      `"What can we do?" asked ${pair(feeler!.she).they}. ` +
        `${fixer!.name} ${c.remedy}, and soon ${feeler!.name} was ${c.end}.`,
      `${fixer!.name} ${c.remedy}. "Now you are ${c.end}," ${pair(fixer!.she).they} said to ${feeler!.name}.`,
      `"Why are you ${c.feels}?" asked ${fixer!.name}. "Because ${c.effect}," said ${feeler!.name}. ` +
        `So ${fixer!.name} ${c.remedy}.`,
    ])
  );
};

const wish: Episode = ({ dice, a, b, c, deeds }) => {
  const t = dice.pick(world.things);
  const [mine, yours] = dice.some(world.colours, 2);
  const asked = dice.below(2) === 0;
  deeds.push(`asked ${b.name} about ${t.many}`);
  return (
    `"I like ${mine}," said ${b.name}. "I like ${yours}," said ${c.name}. ` +
    `So ${a.name} brought ${an(`${mine} ${t.one}`)} for ${b.name} ` +
    `and ${an(`${yours} ${t.one}`)} for ${c.name}. ` +
    (asked
      ? `Whose ${t.one} was ${yours}? It was the one that ${c.name} got.`
      : `Each ${t.one} was made of ${t.stuff}.`)
  );
};

const compare: Episode = ({ dice, a, b, c, deeds }) => {
  const [more, most, least] = dice.pick([
    ['taller', 'tallest', 'smallest'],
    ['older', 'oldest', 'youngest'],
    ['faster', 'fastest', 'slowest'],
    ['stronger', 'strongest', 'weakest'],
  ] as const);
  const order = dice.some([a, b, c], 3).map((p) => p.name);
  const second = `${order[1]!} was ${more} than ${order[2]!}`;
  const first = `${order[0]!} was ${more} than ${order[1]!}`;
  deeds.push(`saw who was the ${most}`);
  return (
    `${and(dice.some([first, second], 2))}. ` +
    `So ${order[0]!} was the ${most} of the three and ${order[2]!} was the ${least}.`
  );
};

const pack: Episode = ({ dice, a, deeds }) => {
  const items = dice
    .some(world.things, 3 + dice.below(3))
    .map((t) => an(`${dice.pick(world.colours)} ${t.one}`));
  const p = pair(a.she);
  const taken = dice.below(items.length);
  const rest = items.filter((_, i) => i !== taken);
  deeds.push(`packed ${inWords(items.length)} things`);
  return (
    `${a.name} packed ${p.their} bag: ${and(items)}. ` +
    dice.pick([
      `When ${p.they} opened it again, out came ${and(items)}.`,
      `When ${p.they} opened it last thing first, out came ${and([...items].reverse())}.`,
      `Then ${p.they} took out the ${items[taken]!.replace(/^an? /, '')}, so the bag still held ${and(rest)}.`,
    ])
  );
};

const walk: Episode = ({ dice, a, b, place, deeds }) => {
  const stops = dice
    .some(
      world.places.filter((x) => x !== place),
      3 + dice.below(2),
    )
    .map((x) => x.name);
  deeds.push(`walked to ${stops.at(-1)!}`);
  return (
    `They went from ${place.name} to ${stops.join(', then to ')}. ` +
    `On the way back they passed ${and([...stops.slice(0, -1)].reverse())}, ` +
    `and so ${a.name} and ${b.name} came to ${place.name} again.`
  );
};

const song: Episode = ({ dice, a, deeds }) => {
  const [x, y] = dice.some(world.rhymes, 2);
  const [x1, x2] = dice.some(x!, 2);
  const [y1, y2] = dice.some(y!, 2);
  deeds.push(`sang about ${an(x1!)}`);
  const verb = capital(dice.pick(['I saw', 'we had', 'there was', 'you drew']));
  const preposition = capital(dice.pick(['beside', 'below', 'above', 'between']));
  return (
    `${a.name} sang:\n  ${verb} ${an(x1!)} and then ${an(x2!)},\n` +
    `  ${preposition} ${an(y1!)} and then ${an(y2!)}.`
  );
};

const week: Episode = ({ dice, a, b, deeds }) => {
  const start = dice.below(7);
  const ahead = 1 + dice.below(4);
  const day = (n: number): string => world.days[(start + n) % 7]!;
  deeds.push(`talked about ${day(ahead)}`);
  const daysAhead = Array.from({ length: ahead }, (_, i) => day(i + 1));
  return dice.pick([
    `"Today is ${day(0)}," said ${a.name}. ` +
      `"Then tomorrow is ${day(1)} and yesterday was ${day(6)}," said ${b.name}.`,
    `It was ${day(0)}. The fair was in ${inWords(ahead)} ${ahead === 1 ? 'day' : 'days'}, on ${day(ahead)}. ` +
      `${a.name} counted: ${daysAhead.join(', ')}.`,
  ]);
};

const shop: Episode = ({ dice, a, deeds }) => {
  const t = dice.pick(world.things);
  const many = 1 + dice.below(3);
  const cost = t.coins * many;
  const purse = 1 + dice.below(40);
  const p = pair(a.she);
  deeds.push(`wanted ${counted(many, t)}`);
  const coins = (n: number): string => `${inWords(n)} ${n === 1 ? 'coin' : 'coins'}`;
  const total = many > 1 ? `, so ${counted(many, t)} cost ${coins(cost)}` : '';
  const asks =
    `${capital(an(t.one))} of ${t.stuff} cost ${coins(t.coins)}${total}. ` + `${a.name} had ${coins(purse)}.`;
  return purse >= cost
    ? `${asks} ${capital(p.they)} paid and had ${purse === cost ? 'nothing' : coins(purse - cost)} left.`
    : `${asks} ${capital(p.they)} needed ${inWords(cost - purse)} more.`;
};

const spell: Episode = ({ dice, a, deeds }) => {
  const word = dice.pick([
    ...world.things.map((t) => t.one),
    ...world.animals.map((x) => x.one),
    ...world.colours,
  ]);
  deeds.push(`wrote the word ${word}`);
  return (
    `${a.name} wrote the word ${word}: ${word.split('').join('-')}. It has ${inWords(word.length)} letters, ` +
    `and read from the end it is ${word.split('').reverse().join('')}.`
  );
};

const share: Episode = ({ dice, a, b, c, deeds }) => {
  const t = dice.pick(world.things);
  const among = 2 + dice.below(2);
  const each = 1 + dice.below(9);
  const rest = dice.below(among);
  const all = among * each + rest;
  deeds.push(`shared ${counted(all, t)}`);
  const names = (among === 2 ? [a, b] : [a, b, c]).map((p) => p.name);
  return (
    `There were ${counted(all, t)} for ${and(names)}. Each got ${inWords(each)}` +
    (rest === 0
      ? ', and none were left over.'
      : `, and ${inWords(rest)} ${rest === 1 ? 'was' : 'were'} left over.`)
  );
};

const cook: Episode = ({ dice, a, b, deeds }) => {
  const d = dice.pick(world.dishes);
  const missing = dice.pick(d.needs);
  const job = dice.pick(world.jobs);
  deeds.push(`made ${d.dish}`);
  return dice.pick([
    `To make ${d.dish} you take ${and(d.needs)}, and ${d.step}. ` +
      `${a.name} had ${and(d.needs.filter((x) => x !== missing))}, so ${b.name} went to get the ${missing}.`,
    `"I have ${and(dice.some(d.needs, d.needs.length))}," said ${a.name}. ` +
      `"Then we can make ${d.dish}," said ${b.name}. "We ${d.step}."`,
    `The ${job[0]!} had ${job[2]!} and made ${job[1]!}. ` +
      `${a.name} brought ${d.dish} and took home some of the ${job[1]!}.`,
  ]);
};

const episodes: readonly Episode[] = [
  give,
  find,
  hide,
  meet,
  trouble,
  wish,
  compare,
  pack,
  walk,
  song,
  week,
  shop,
  spell,
  share,
  cook,
];

/**
 * Writes story number `index`: an opening with a trait and a promise, two to four episodes, and an end that
 * returns to both. Each paragraph is a line.
 */
export function toyStory(seed: number, index: number): string {
  const dice = createDice(deriveKey(seed, 'story', index));
  const [a, b, c] = dice.some(world.people, 3) as [world.Person, world.Person, world.Person];
  const place = dice.pick(world.places);
  const trait = dice.pick(world.traits);
  const elder = dice.pick(world.relatives);
  const p = pair(a.she);
  const promised = `${dice.pick(world.colours)} ${dice.pick(world.things).one}`;
  const scene: Scene = { dice, a, b, c, place, deeds: [] };
  const when = dice.pick([
    `One ${dice.pick(world.days)} in ${dice.pick(world.months)}`,
    'Once upon a time',
    'Early in the morning',
    'Long ago',
    `On the ${dice.pick(['first', 'second', 'third', 'last'])} day of ${dice.pick(world.months)}`,
  ]);
  const opening =
    `${when}, ${a.name} and ${b.name} were ${place.at} ${place.name} with ${c.name}. ` +
    `They saw ${dice.pick(place.sees)}. ${a.name} was very ${trait.trait}. ` +
    `${capital(p.they)} had promised to bring ${p.their} ${elder} ${an(promised)}.`;
  const middle = dice.some(episodes, 2 + dice.below(3)).map((episode) => episode(scene));
  const test =
    `Then they came to a dark door. ${a.name} ${trait.does}. ` +
    `"${trait.says}," said ${p.they}, and ${trait.after}.`;
  const account =
    `In the evening ${p.their} ${elder} asked what ${p.they} had done. ` +
    `"I was ${place.at} ${place.name} with ${b.name} and ${c.name}," said ${a.name}. ` +
    `"I ${and(scene.deeds)}."`;
  const end =
    `Then ${p.they} gave ${p.their} ${elder} the ${promised}.` +
    dice.pick([
      '',
      ' The end.',
      ` "You kept your promise," said ${p.their} ${elder}.`,
      ` And that was the day of ${a.name}, ${b.name} and ${c.name}.`,
    ]);
  return [opening, ...middle, ...(dice.below(2) === 0 ? [test] : []), account, end].join('\n');
}

/** Writes at least `bytes` bytes of ASCII text: whole stories, separated by blank lines. */
export function toyCorpus(bytes: number, options: { readonly seed?: number } = {}): string {
  const stories: string[] = [];
  for (let written = 0; written < bytes; written += stories.at(-1)!.length + 2)
    stories.push(toyStory(options.seed ?? 0, stories.length));
  return `${stories.join('\n\n')}\n`;
}

/** Writes the same stories as JSON lines, one document per story, with at least `bytes` bytes of text. */
export function toyLines(bytes: number, options: { readonly seed?: number } = {}): string {
  const lines: string[] = [];
  for (let written = 0, n = 0; written < bytes; n++) {
    const text = toyStory(options.seed ?? 0, n);
    written += text.length;
    lines.push(JSON.stringify({ text }));
  }
  return `${lines.join('\n')}\n`;
}
