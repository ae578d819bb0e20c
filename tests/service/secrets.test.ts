import { describe, expect, it } from 'vitest';
import { createMemorySecrets, removeTokens } from '../../src-main/service/secrets.ts';

describe('secrets', () => {
  it('stay in memory until they are forgotten', async () => {
    const secrets = createMemorySecrets();
    expect(await secrets.get('a')).toBeNull();
    await secrets.set('a', 'hf_x');
    expect(await secrets.get('a')).toBe('hf_x');
    expect(await createMemorySecrets().get('a')).toBeNull();
    await secrets.set('a', null);
    expect(await secrets.get('a')).toBeNull();
  });

  it('do not reach an engine, which gets everything else', () => {
    expect(
      removeTokens({ HF_TOKEN: 'hf_x', HUGGING_FACE_HUB_TOKEN: 'hf_y', HF_HOME: '/h', PATH: '/bin' }),
    ).toEqual({ HF_HOME: '/h', PATH: '/bin' });
  });
});
