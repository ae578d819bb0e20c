/** @file Where access tokens are stored, and how they are kept from engines. */

export interface Secrets {
  readonly storage: 'key store' | 'memory';
  get(name: string): Promise<string | null>;
  /** `null` removes the secret. */
  set(name: string, value: string | null): Promise<void>;
}

/** Secrets that are lost when the process ends. */
export function createMemorySecrets(): Secrets {
  const secrets = new Map<string, string>();
  return {
    storage: 'memory',
    get: (name) => Promise.resolve(secrets.get(name) ?? null),
    set(name, value) {
      if (value === null) secrets.delete(name);
      else secrets.set(name, value);
      return Promise.resolve();
    },
  };
}

/** The environment without Hub tokens. Engines do not need them, and their crash reports may contain it. */
export function removeTokens(environment: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(
    Object.entries(environment).filter(([name]) => !/^(HF_TOKEN|HUGGING_FACE_HUB_TOKEN)$/.test(name)),
  );
}
