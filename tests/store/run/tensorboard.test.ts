import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { crc32c } from '../../../src-main/base/crc32c.ts';
import { openTensorBoard, tfRecord } from '../../../src-main/store/run/tensorboard.ts';
import { freshFolder } from '../../support/temporary.ts';

const ascii = (text: string): Uint8Array => new TextEncoder().encode(text);

describe('openTensorBoard', () => {
  it('writes the checksums of RFC 3720 and TensorFlow', () => {
    expect(crc32c(ascii('123456789'))).toBe(0xe3069283);
    expect(crc32c(new Uint8Array(32))).toBe(0x8a9136aa);
    // tensorboard's RecordWriter's bytes of b"hello".
    expect(Buffer.from(tfRecord(ascii('hello'))).toString('hex')).toBe(
      '0500000000000000eab2043e68656c6c6fbb1f1c19',
    );
  });

  it('writes files whose later session replaces steps of the earlier one', async () => {
    const dir = freshFolder();
    const clock = (): number => 1_700_000_000_000;
    const first = await openTensorBoard(dir, 0, clock);
    for (let step = 1; step <= 3; step++)
      await first.append({
        type: 'step',
        step,
        loss: 4 - step,
        lr: 0.5,
        gradNorm: 1,
        tokens: step,
        seconds: 0.25,
      });
    await first.append({ type: 'saved', step: 3, dir: 'x' });
    await first.close();
    const second = await openTensorBoard(dir, 2, clock);
    await second.append({ type: 'evaluated', step: 3, loss: 0.125, tokens: 64 });
    await second.close();
    const golden = join(import.meta.dirname, '../../fixtures/tensorboard');
    for (const [i, name] of readdirSync(join(dir, 'tensorboard')).sort().entries())
      expect(readFileSync(join(dir, 'tensorboard', name)).toString('base64')).toBe(
        readFileSync(join(golden, `session-${i}.base64`), 'utf8').trim(),
      );
  });
});
