import { describe, expect, it } from 'vitest';
import { formatDatasetName, isDatasetName, parseDatasetName } from '../../src-main/base/dataset-name.ts';

describe('parseDatasetName', () => {
  it.each([
    ['hf://datasets/owner/name', { repo: 'owner/name' }],
    ['hf://datasets/owner/name@v1.0', { repo: 'owner/name', revision: 'v1.0' }],
    ['hf://datasets/owner/name@refs/pr/3', { repo: 'owner/name', revision: 'refs/pr/3' }],
    ['hf://datasets/owner/name/sample-10BT', { repo: 'owner/name', config: 'sample-10BT' }],
    ['hf://datasets/owner/name:validation', { repo: 'owner/name', split: 'validation' }],
    [
      'hf://datasets/owner/name@main/20231101.en:train',
      { repo: 'owner/name', revision: 'main', config: '20231101.en', split: 'train' },
    ],
  ])('reads %s', (text, expected) => {
    const name = parseDatasetName(text)!;
    expect(name).toEqual({ revision: undefined, config: undefined, split: undefined, ...expected });
    expect(formatDatasetName(name)).toBe(text);
  });

  it.each([
    'hf://owner/name',
    'hf://datasets/',
    'hf://datasets/owner/../name',
    'hf://datasets/owner/name@',
    'hf://datasets/owner/name:',
    'hf://datasets/owner/name/a/b',
    'hf://datasets/owner/na me',
  ])('does not read %s', (text) => {
    expect(isDatasetName(text)).toBe(true);
    expect(parseDatasetName(text)).toBeUndefined();
  });
});
