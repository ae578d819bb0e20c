/**
 * @file Converts a model to another dtype. Some families multiply embeddings by a number that is rounded to the
 * dtype; the embeddings are then scaled so that the function stays the same (docs/methods.md, Factors).
 */
import { keep } from '../../tensor/axis-map.ts';
import type { WeightDType } from '../../tensor/dtype.ts';
import type { Dims } from '../../tensor/layout.ts';
import { settingsOf } from '../../model/config.ts';
import type { ModelFamily, Settings } from '../../model/family.ts';
import type { Parameter } from '../../model/parameters.ts';
import type { JsonObject } from '../../base/json.ts';
import type { GrowthContext } from '../method.ts';
import { withDType } from '../plan/dtypes.ts';
import { computeCorrectionFactors } from '../plan/factors.ts';
import type { Values } from './copy-rows.ts';

/** The parts of a checkpoint that the conversion depends on. */
export interface DTypeSource {
  readonly family: ModelFamily;
  readonly dims: Dims;
  readonly settings: Settings;
  readonly config: JsonObject;
}

export interface DTypeChange {
  readonly config: JsonObject;
  readonly settings: Settings;
  /** The values of one weight, not yet rounded to the dtype. Returns the same array if nothing changes. */
  convert<T extends Values>(parameter: Pick<Parameter, 'key' | 'spec'>, values: T): T;
}

export function changeDType(source: DTypeSource, dtype: WeightDType): DTypeChange {
  const { family, dims, settings: before } = source;
  const config = withDType(source.config, dtype);
  const after = settingsOf(family, config);
  const context: GrowthContext = {
    family,
    tied: before['tied'] === true,
    from: dims,
    to: dims,
    settings: { before, after },
    preserveBy: 'stream',
    map: (axis) => keep(dims[axis]!),
  };
  return {
    config,
    settings: after,
    convert<T extends Values>({ key, spec }: Pick<Parameter, 'key' | 'spec'>, values: T): T {
      const factors = computeCorrectionFactors(context, key, spec);
      const factor = factors.reduce((product, { by }) => product * by, 1);
      if (factor === 1) return values;
      return values.map((value) => (value + spec.offset) * factor - spec.offset) as T;
    },
  };
}
