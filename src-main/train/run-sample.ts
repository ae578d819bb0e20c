/** @file How a run samples text from its prompt. Samples of other models compare with it if they are made alike. */
export const runSampling = { tokens: 64, temperature: 0.8 } as const;
