import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { createAborter, neverAborts } from '../../../src-main/base/signals.ts';
import { countTokens } from '../../../src-main/engine/text/count-job.ts';
import { tokenize } from '../../../src-main/engine/text/tokenize-job.ts';
import { expectAppError } from '../../support/expect-app-error.ts';
import { freshFolder } from '../../support/temporary.ts';
import { makeTinyCheckpoint } from '../../support/tiny.ts';

async function makeInput(): Promise<{ checkpoint: string; data: string[] }> {
  const checkpoint = await makeTinyCheckpoint('llama', { tokenizer: true });
  const dir = freshFolder();
  const data = ['a', 'b'].map((name, i) => {
    const path = join(dir, `${name}.jsonl`);
    writeFileSync(path, '{"text":"to be or not to be"}\n'.repeat(3 + i));
    return path;
  });
  return { checkpoint, data };
}

it('counts the tokens that training sees, of each of the data', async () => {
  const input = await makeInput();
  const expected: number[] = [];
  for (const path of input.data) {
    let tokens = 0;
    for await (const event of tokenize({ ...input, data: [path] }, neverAborts))
      if (event.type === 'document') tokens += event.document.ids.length + event.document.appended.length;
    expected.push(tokens);
  }
  expect(expected[1]).toBeGreaterThan(expected[0]!);
  expect(await countTokens({ ...input, atLeast: 1e6 }, neverAborts)).toEqual(expected);
});

it('ends when there are enough', async () => {
  const input = await makeInput();
  const [all] = await countTokens({ ...input, atLeast: 1e6 }, neverAborts);
  const [some] = await countTokens({ ...input, atLeast: 2 }, neverAborts);
  expect(some).toBeGreaterThanOrEqual(2);
  expect(some).toBeLessThan(all!);
});

it('can be cancelled', async () => {
  const { signal, abort } = createAborter();
  abort();
  const input = await makeInput();
  await expectAppError('cancelled', () => countTokens({ ...input, atLeast: 10 }, signal));
});
