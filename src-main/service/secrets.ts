/**
 * @file Where a token that a person gives to Cambium is kept: the system's key store on the desktop, memory
 * elsewhere.
 */

export interface Secrets {
  readonly keeps: 'key store' | 'memory';
  get(name: string): Promise<string | null>;
  /** `null` forgets. */
  set(name: string, value: string | null): Promise<void>;
}

/** Until this process ends. */
export function memorySecrets(): Secrets {
  const kept = new Map<string, string>();
  return {
    keeps: 'memory',
    get: (name) => Promise.resolve(kept.get(name) ?? null),
    set: (name, value) => {
      if (value === null) kept.delete(name);
      else kept.set(name, value);
      return Promise.resolve();
    },
  };
}

/**
 * The environment for a process that has nothing to say to the Hub: engines log and may dump what they know.
 */
export function withoutTokens(environment: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(
    Object.entries(environment).filter(([name]) => !/^(HF_TOKEN|HUGGING_FACE_HUB_TOKEN)$/.test(name)),
  );
}
