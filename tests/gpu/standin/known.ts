/**
 * @file What does not hold yet, in one table with the reasons. A check that is listed must fail: when it
 * holds, the suite asks to remove it here.
 */

/** What the suites check. */
export type Property = 'copies' | 'allocations' | 'waits' | 'order' | 'FLOPs' | 'memory' | 'roofline';

interface KnownFailure {
  readonly property: Property;
  /** The titles of the subjects that fail, all of them. */
  readonly subjects: RegExp;
  readonly reason: string;
  /** Whether some of the subjects hold, or hold in some runs. */
  readonly isIntermittent?: boolean;
}

export const known: readonly KnownFailure[] = [
  {
    property: 'waits',
    subjects: /^an update of two micro-batches/,
    reason: 'the host reads the loss of every micro-batch, so it waits for each and for the update',
  },
  {
    property: 'FLOPs',
    subjects: /^a step by muon of qwen2-moe in float32/,
    reason: 'ONNX Runtime adds a · x to the product of a one-row matrix as a bias, by a product with ones',
  },
];

/** Runs the check of one property of a subject, which must fail if it is listed in `known`. */
export async function check(
  subject: string,
  property: Property,
  assertion: () => void | Promise<void>,
): Promise<void> {
  const entry = known.find((failure) => failure.property === property && failure.subjects.test(subject));
  try {
    await assertion();
  } catch (error) {
    if (entry) return;
    throw error;
  }
  if (!entry || entry.isIntermittent) return;
  throw new Error(`${property} of ${subject} holds now: remove "${entry.reason}" from known.ts`);
}
