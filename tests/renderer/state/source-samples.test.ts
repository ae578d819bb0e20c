import { describe, expect, it } from 'vitest';
import { AppError } from '../../../src-main/base/errors.ts';
import type { Lineage } from '../../../src-main/contract/lineage.ts';
import type { SampleRequest } from '../../../src-main/contract/schema.ts';
import { runSampling } from '../../../src-main/train/run-sample.ts';
import {
  listSources,
  sharedPrefix,
  SourceSamples,
} from '../../../src-renderer/state/source-samples.svelte.ts';

const grown = (from: string, to: string): Lineage['edges'][number] => ({
  from,
  to,
  kind: 'grown',
  what: 'x',
});

describe('listSources', () => {
  it('follows growths from the checkpoint of the run to the first source', () => {
    const edges = [grown('/m/first', '/m/second'), grown('/m/second', '/m/third'), grown('/x', '/y')];
    expect(listSources('/m/third', { edges })).toEqual([
      { dir: '/m/third', label: 'third, the start of this run' },
      { dir: '/m/second', label: 'second, the source' },
      { dir: '/m/first', label: 'first, an earlier source' },
    ]);
  });

  it('ends in a lineage that goes in a circle', () => {
    expect(listSources('/a', { edges: [grown('/a', '/b'), grown('/b', '/a')] })).toHaveLength(2);
  });
});

it('finds the words that two texts begin with', () => {
  expect(sharedPrefix(' a small oak', ' a small ash')).toBe(' a small '.length);
  expect(sharedPrefix(' a small', ' a smaller')).toBe(' a '.length);
  expect(sharedPrefix(' a small', ' a small tree')).toBe(' a small'.length);
  expect(sharedPrefix('same', 'same')).toBe(4);
  expect(sharedPrefix('one', 'two')).toBe(0);
  expect(sharedPrefix('', 'two')).toBe(0);
});

describe('SourceSamples', () => {
  it('samples as the run does, and keeps the text', async () => {
    const requests: SampleRequest[] = [];
    const samples = new SourceSamples({
      sample: async function* (request) {
        requests.push(request);
        yield { type: 'text', text: ' a' };
        yield { type: 'text', text: ' tree' };
        yield { type: 'done', tokens: 2, seconds: 1, device: 'cpu' };
      },
    });
    await samples.generate('/m', 'Once', 7);
    expect(requests).toEqual([{ from: '/m', prompt: 'Once', seed: 7, device: 'auto', ...runSampling }]);
    expect(samples.textOf('/m', 'Once', 7)).toBe(' a tree');
    expect(samples.textOf('/m', 'Once', 8)).toBeUndefined();
  });

  it('keeps no half of a text after an error', async () => {
    const samples = new SourceSamples({
      sample: async function* () {
        yield { type: 'text', text: ' a' };
        throw new AppError('file/not-found', { path: '/m' });
      },
    });
    await samples.generate('/m', 'Once', 7);
    expect(samples.task.error?.code).toBe('file/not-found');
    expect(samples.textOf('/m', 'Once', 7)).toBeUndefined();
  });
});
