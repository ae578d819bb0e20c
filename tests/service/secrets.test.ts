import { describe, expect, it } from 'vitest';
import { createMemorySecrets, removeTokens } from '../../src-main/service/secrets.ts';

describe('createMemorySecrets', () => {
  it('keeps a secret until it is removed', async () => {
    const secrets = createMemorySecrets();
    expect(await secrets.get('a')).toBeNull();
    await secrets.set('a', 'hf_x');
    expect(await secrets.get('a')).toBe('hf_x');
    expect(await createMemorySecrets().get('a')).toBeNull();
    await secrets.set('a', null);
    expect(await secrets.get('a')).toBeNull();
  });
});

describe('removeTokens', () => {
  it('removes Hub tokens from an environment and nothing else', () => {
    const environment = { HF_TOKEN: 'hf_x', HUGGING_FACE_HUB_TOKEN: 'hf_y', HF_HOME: '/h', PATH: '/bin' };
    expect(removeTokens(environment)).toEqual({ HF_HOME: '/h', PATH: '/bin' });
  });
});
