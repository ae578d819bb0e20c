/** @file Ways to pay for a run: your own device, or a rented one. */
import type { Assumptions } from './assumptions.ts';
import { pricesOf, type DeviceBook, type DeviceFacts, type Price } from './book.ts';
import type { DeviceEstimate } from './device-estimate.ts';
import type { Verdict } from './memory.ts';
import { scaleRange, type Range } from './range.ts';
import type { Target } from './speed.ts';

export interface Offer {
  readonly device: string;
  readonly name: string;
  /** True for a device of this computer. */
  readonly own: boolean;
  /** Null for your own device. */
  readonly price: Price | null;
  /** The price or its terms, in words. */
  readonly words: string;
  readonly seconds: Range;
  /** US dollars. */
  readonly money: Range;
  readonly verdict: Verdict;
}

/** The cost on your own device: the price you gave, or else its electricity. Undefined if that is unknown. */
export function ownOffer(
  { target, seconds, energy, verdict }: DeviceEstimate,
  { ownPrice, tariff }: Assumptions,
): Offer | undefined {
  if (!seconds) return undefined;
  const common = { device: target.id, name: target.name, own: true, price: null, seconds, verdict };
  if (ownPrice > 0)
    return {
      ...common,
      money: scaleRange(seconds, ownPrice / 3600),
      words: `your price, US$ ${ownPrice} per hour`,
    };
  if (!energy) return undefined;
  return {
    ...common,
    money: scaleRange(energy, tariff),
    words: `electricity at US$ ${tariff} per kWh`,
  };
}

/**
 * An offer for each price of each GPU with CUDA in the book, cheapest first; devices whose memory is too small
 * come last.
 * `estimateOn` estimates the run on a device.
 */
export function rentalOffers(
  book: DeviceBook,
  estimateOn: (target: Target) => DeviceEstimate,
): readonly Offer[] {
  const offers = book.devices
    .filter((facts) => facts.kind === 'gpu' && facts.noCuda === undefined)
    .flatMap((facts) => offersOf(rentalTarget(facts), pricesOf(book, facts.id), estimateOn));
  const rank = (offer: Offer): number => (offer.verdict === 'does not fit' ? Infinity : offer.money.likely);
  return offers.sort((a, b) => rank(a) - rank(b) || a.money.likely - b.money.likely);
}

const rentalTarget = (facts: DeviceFacts): Target => ({
  id: facts.id,
  name: facts.name,
  kind: 'cuda',
  here: false,
  cores: 1,
  memory: facts.memory,
  facts,
  past: [],
});

function offersOf(
  target: Target,
  prices: readonly Price[],
  estimateOn: (target: Target) => DeviceEstimate,
): readonly Offer[] {
  if (prices.length === 0) return [];
  const { seconds, verdict } = estimateOn(target);
  if (!seconds) return [];
  return prices.map((price) => ({
    device: target.id,
    name: target.name,
    own: false,
    price,
    words: `${price.provider}, ${price.terms}`,
    seconds,
    money: scaleRange(seconds, price.hourly / 3600),
    verdict,
  }));
}
