/** @file Measures the time and memory of this process. */

export interface Usage {
  readonly seconds: number;
  /** CPU seconds of all threads. */
  readonly cpuSeconds: number;
  /** Largest resident set size since the process started. */
  readonly peakBytes: number;
}

/** Starts a clock; the returned function reads it. */
export function startUsage(): () => Usage {
  const start = performance.now();
  const cpuStart = process.cpuUsage();
  return () => {
    const { user, system } = process.cpuUsage(cpuStart);
    return {
      seconds: (performance.now() - start) / 1000,
      cpuSeconds: (user + system) / 1e6,
      peakBytes: process.resourceUsage().maxRSS * 1024,
    };
  };
}
