/**
 * @file The words of the embedded corpus: people, things with their material and price, places, animals with
 * their food and sounds, causes and their effects. ASCII only.
 */

export interface Person {
  readonly name: string;
  readonly she: 'she' | 'he';
}
export interface Thing {
  readonly one: string;
  readonly many: string;
  readonly stuff: string;
  readonly coins: number;
}
export interface Place {
  readonly at: string;
  readonly name: string;
  readonly sees: readonly string[];
  readonly spots: readonly string[];
}
export interface Animal {
  readonly one: string;
  readonly eats: string;
  readonly home: string;
  readonly says: string;
  readonly moves: string;
}
export interface Cause {
  readonly event: string;
  readonly effect: string;
  readonly feels: string;
  readonly remedy: string;
  readonly end: string;
}
export interface Trait {
  readonly trait: string;
  readonly does: string;
  readonly says: string;
  readonly after: string;
}
export interface Dish {
  readonly dish: string;
  readonly needs: readonly string[];
  readonly step: string;
}

const split = (text: string): readonly string[] => text.split(' ');
const rows = (text: string): readonly (readonly string[])[] =>
  text
    .trim()
    .split('\n')
    .map((line) => line.trim().split(/\s*\|\s*/));

export const people: readonly Person[] = [
  ...split('Mia Anna Lily Rosa Nora Ella Ruth Clara Ivy Jane Sara Zoe Amy Dora Kate Lucy Emma Tess').map(
    (name): Person => ({ name, she: 'she' }),
  ),
  ...split('Tom Ben Max Sam Leo Jack Omar Paul Finn Hugo Karl Luke Noah Otto Peter Will Adam Ravi').map(
    (name): Person => ({ name, she: 'he' }),
  ),
];

export const colours = split('red blue green yellow white black brown pink grey orange purple golden');
export const days = split('Monday Tuesday Wednesday Thursday Friday Saturday Sunday');
export const months = split(
  'January February March April May June July August September October November December',
);
export const relatives = split('mother father grandmother grandfather aunt uncle sister brother');
export const jobs: readonly (readonly string[])[] = rows(`
  baker | bread | an oven
  farmer | corn | a plough
  fisher | fish | a net
  tailor | coats | a needle
  potter | bowls | a wheel
  smith | nails | a hammer
  painter | pictures | a brush
  miller | flour | a mill
  gardener | flowers | a spade
  weaver | rugs | a loom`);

export const things: readonly Thing[] = rows(`
  ball | balls | rubber | 3
  kite | kites | paper | 6
  box | boxes | wood | 5
  cup | cups | clay | 2
  bell | bells | brass | 7
  key | keys | iron | 4
  book | books | paper | 9
  hat | hats | wool | 8
  coat | coats | wool | 15
  drum | drums | wood | 12
  ring | rings | silver | 18
  lamp | lamps | glass | 11
  rope | ropes | hemp | 4
  boat | boats | wood | 16
  doll | dolls | cloth | 10
  map | maps | paper | 3
  spoon | spoons | silver | 5
  basket | baskets | straw | 6
  candle | candles | wax | 2
  shell | shells | chalk | 1
  stone | stones | rock | 1
  button | buttons | bone | 1
  marble | marbles | glass | 2
  biscuit | biscuits | flour | 1
  brick | bricks | clay | 2
  ladder | ladders | wood | 13
  feather | feathers | down | 1
  whistle | whistles | tin | 4`).map(([one, many, stuff, coins]) => ({
  one: one!,
  many: many!,
  stuff: stuff!,
  coins: Number(coins),
}));

// One place per line.
// prettier-ignore
export const places: readonly Place[] = rows(`
  by | the river | fish in the clear water; a little bridge; reeds in the wind | under the bridge; behind the reeds; on the flat rock
  in | the forest | tall dark trees; red berries; a fallen log | under the log; behind the oldest tree; in a hollow stump
  at | the market | baskets of fruit; a man with a barrel of nuts; bright cloth | under the fruit cart; behind the barrel; on the long table
  on | the hill | the whole village; sheep on the grass; a windmill | under the bench; behind the windmill; on the stone wall
  in | the garden | rows of beans; a round pond; roses on the fence | under the rose bush; behind the shed; beside the pond
  at | the farm | a big barn; hens in the yard; a hay cart | under the hay; behind the barn; on the cart
  on | the beach | white foam; a blue sail; crabs in the sand | under the old boat; behind the dune; on the warm sand
  at | the school | rows of desks; a map of the world; chalk on the board | under the desk; behind the door; on the window sill
  in | the kitchen | pots on the stove; a loaf on the table; steam on the window | under the table; behind the stove; on the top shelf
  in | the attic | dusty trunks; a broken clock; old letters | under the blanket; behind the clock; in the biggest trunk
  at | the mill | sacks of flour; the great wheel; white dust | under the stairs; behind the sacks; beside the wheel
  in | the cave | dripping stones; deep shadows; drawings on the wall | under the ledge; behind the great stone; in a crack in the wall`).map(
  ([at, name, sees, spots]) => ({ at: at!, name: name!, sees: sees!.split('; '), spots: spots!.split('; ') }),
);

export const animals: readonly Animal[] = rows(`
  dog | bones | kennel | woof | ran
  cat | fish | basket by the fire | meow | crept
  cow | grass | barn | moo | walked
  duck | bread | pond | quack | waddled
  hen | corn | coop | cluck | hurried
  owl | mice | hollow tree | hoo | flew
  frog | flies | pool | croak | hopped
  bee | nectar | hive | buzz | flew
  horse | oats | stable | neigh | trotted
  sheep | clover | fold | baa | wandered
  mouse | cheese | hole in the wall | squeak | scurried
  crow | seeds | nest in the elm | caw | flapped
  pig | turnips | sty | oink | trotted
  goat | leaves | shed | bleat | skipped
  wolf | meat | den | howl | slunk
  snake | eggs | heap of stones | hiss | slid
  bear | honey | cave | growl | lumbered
  donkey | hay | stall | bray | plodded`).map(([one, eats, home, says, moves]) => ({
  one: one!,
  eats: eats!,
  home: home!,
  says: says!,
  moves: moves!,
}));

export const causes: readonly Cause[] = rows(`
  it began to rain | the path turned to mud | cold | sat by the fire | dry again
  the wind blew hard | the gate fell over | worried | tied it up with a rope | safe again
  the snow fell all night | the door would not open | stuck | dug a way out with a spade | free again
  the sun burned hot | the flowers hung their heads | thirsty | carried water from the well | fresh again
  the bridge broke | nobody could cross | sad | laid new planks across | happy again
  the lamp went out | the room was black as ink | afraid | lit a candle | calm again
  the wheel came off | the cart stood still | angry | put it on with a new pin | on the way again
  the milk boiled over | the kitchen smelled of smoke | sorry | wiped the stove clean | glad again
  the clock stopped | everyone came late | confused | wound it with a small key | on time again
  the river rose | the field was under water | worried | built a wall of sacks | safe again
  a button fell off | the coat would not close | cold | sewed it on with thread | warm again
  the well ran dry | the cows had nothing to drink | thirsty | dug the well deeper | content again`).map(
  ([event, effect, feels, remedy, end]) => ({
    event: event!,
    effect: effect!,
    feels: feels!,
    remedy: remedy!,
    end: end!,
  }),
);

export const traits: readonly Trait[] = rows(`
  brave | went in first | I am not afraid | everyone followed
  shy | stood behind the others | Please do not look at me | nobody minded
  greedy | took the biggest piece | I want more than that | the others got less
  kind | gave half away | You can have mine | everyone had some
  clever | looked for another way | Let me think about it | the problem was solved
  sleepy | lay down and yawned | Wake me when it is over | there was a sound of snoring
  proud | held up one hand | Nobody does it better | the others rolled their eyes
  careful | looked twice at everything | Let us go slowly | nothing was broken
  funny | made a silly face | Have you heard this one | everyone laughed
  curious | opened every drawer | What could this be | there were many questions`).map(
  ([trait, does, says, after]) => ({ trait: trait!, does: does!, says: says!, after: after! }),
);

export const dishes: readonly Dish[] = rows(`
  a cake | flour, eggs, butter and sugar | bake it for an hour
  soup | water, carrots, leeks and salt | boil it until it is thick
  bread | flour, yeast, water and salt | let it rise and bake it
  a pie | flour, butter, apples and cinnamon | bake it until it is brown
  jam | plums, sugar, lemon and time | stir it in a big pot
  pancakes | milk, flour, eggs and butter | fry them in a pan
  porridge | oats, milk, honey and salt | cook it on a low fire
  a salad | lettuce, beans, oil and vinegar | toss it in a bowl`).map(([dish, needs, step]) => ({
  dish: dish!,
  needs: needs!.split(/, | and /),
  step: step!,
}));

/** Words that rhyme with each other, one group per line. */
export const rhymes: readonly (readonly string[])[] = rows(`
  cat | hat | mat | bat | rat
  tree | bee | sea | key | knee
  light | night | kite | bite | sight
  star | jar | car | far | bar
  boat | goat | coat | note | throat
  moon | spoon | tune | noon | balloon
  bell | shell | well | smell | spell
  ring | king | string | wing | spring
  house | mouse | blouse | grouse
  rain | train | chain | lane | plane
  bread | bed | thread | sled | shed
  stone | bone | throne | cone | phone`);

const ones = split(
  'zero one two three four five six seven eight nine ' +
    'ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen',
);
const tens = split('_ _ twenty thirty forty fifty sixty seventy eighty ninety');

/** Writes a whole number below one hundred in words. */
export const inWords = (n: number): string =>
  n < 20 ? ones[n]! : tens[Math.floor(n / 10)]! + (n % 10 === 0 ? '' : `-${ones[n % 10]!}`);
