/** @file Quantiles of Student's t distribution, for confidence intervals. */

/** Coefficients of Lanczos's approximation of the gamma function with g = 7; relative error below 1e-13. */
const lanczos = [
  0.999_999_999_999_809_93, 676.520_368_121_885_1, -1259.139_216_722_402_8, 771.323_428_777_653_13,
  -176.615_029_162_140_59, 12.507_343_278_686_905, -0.138_571_095_265_720_12, 9.984_369_578_019_571_6e-6,
  1.505_632_735_149_311_6e-7,
];

/** ln Γ(x) for x > 0. */
function logGamma(x: number): number {
  if (x < 0.5) return Math.log(Math.PI / Math.sin(Math.PI * x)) - logGamma(1 - x);
  const z = x - 1;
  const t = z + 7.5;
  const sum = lanczos.reduce((total, c, i) => (i === 0 ? c : total + c / (z + i)), 0);
  return 0.5 * Math.log(2 * Math.PI) + (z + 0.5) * Math.log(t) - t + Math.log(sum);
}

/** Terms of the continued fraction, and the change at which it has converged. */
const mostTerms = 300;
const converged = 1e-14;
/** Stands in for a denominator of zero. */
const tiny = 1e-300;

/** The regularized incomplete beta function I_x(a, b), by Lentz's continued fraction (Press et al., 6.4). */
function incompleteBeta(x: number, a: number, b: number): number {
  if (x <= 0) return 0;
  if (x >= 1) return 1;
  // The fraction converges quickly on this side.
  if (x > (a + 1) / (a + b + 2)) return 1 - incompleteBeta(1 - x, b, a);
  const logFront =
    a * Math.log(x) + b * Math.log1p(-x) + logGamma(a + b) - logGamma(a) - logGamma(b) - Math.log(a);
  const guard = (value: number): number => (Math.abs(value) < tiny ? tiny : value);
  let c = 1;
  let d = 1 / guard(1 - ((a + b) * x) / (a + 1));
  let fraction = d;
  for (let m = 1; m <= mostTerms; m++) {
    const even = (m * (b - m) * x) / ((a + 2 * m - 1) * (a + 2 * m));
    const odd = (-(a + m) * (a + b + m) * x) / ((a + 2 * m) * (a + 2 * m + 1));
    let change = 1;
    for (const term of [even, odd]) {
      d = 1 / guard(1 + term * d);
      c = guard(1 + term / c);
      change = c * d;
      fraction *= change;
    }
    if (Math.abs(change - 1) < converged) break;
  }
  return Math.exp(logFront) * fraction;
}

/** The probability that |T| exceeds `t`, for T with `df` degrees of freedom. */
export const tailProbability = (t: number, df: number): number =>
  incompleteBeta(df / (df + t * t), df / 2, 0.5);

const bisections = 200;

/** The `t` that |T| exceeds with probability `alpha`: half the width of an interval in standard errors. */
export function criticalT(alpha: number, df: number): number {
  let low = 0;
  let high = 1;
  while (tailProbability(high, df) > alpha) high *= 2;
  for (let i = 0; i < bisections && high - low > 1e-12 * high; i++) {
    const middle = (low + high) / 2;
    if (tailProbability(middle, df) > alpha) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}
