/** @file The results of the study that a report is made from, by start. */
import type { CorpusSummary } from './corpus.ts';
import { collectStart, type StartResults } from './findings.ts';
import type { Result } from './lab.ts';
import { recipesOf, type Scale } from './scales.ts';
import { randomLike, randomTarget, sourceName, threeStages, trainedOn } from './study.ts';

export interface ReportInput {
  readonly scale: Scale;
  readonly corpus: CorpusSummary;
  readonly bytesPerToken: number;
  readonly results: readonly Result[];
  /** The folder docs/. */
  readonly docs: string;
}

/** The starts that have been trained, by name, and the source's own result. */
export interface Findings {
  readonly input: ReportInput;
  readonly source: Result;
  readonly starts: ReadonlyMap<string, StartResults>;
  /** Names of planned starts without a result. */
  readonly missing: readonly string[];
}

export const grownNames = (scale: Scale): readonly string[] => Object.keys(recipesOf(scale));

export function collect(input: ReportInput): Findings {
  const { results, scale } = input;
  const planned = [
    ...grownNames(scale),
    threeStages,
    trainedOn,
    randomTarget,
    randomLike('identity'),
    randomLike('upcycle'),
  ];
  const found = planned.map((name) => [name, collectStart(results, name)] as const);
  const source = results.find(({ start }) => start === sourceName);
  if (!source) throw new Error('The study has not trained its source yet: there is nothing to report.');
  return {
    input,
    source,
    starts: new Map(found.flatMap(([name, start]) => (start ? [[name, start] as const] : []))),
    missing: found.filter(([, start]) => !start).map(([name]) => name),
  };
}
