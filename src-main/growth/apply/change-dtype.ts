/**
 * @file A model's weights for another element type: where a family multiplies embeddings by a number rounded
 * to that type, they are multiplied so that the model stays the same function (methods.md 1.5).
 */
import { keep, type AxisMap } from '../../tensor/axis-map.ts';
import type { WeightDType } from '../../tensor/dtype.ts';
import type { Axis, Dims } from '../../tensor/layout.ts';
import { settingsOf } from '../../model/config.ts';
import type { ModelFamily, Settings } from '../../model/family.ts';
import type { Parameter } from '../../model/parameters.ts';
import type { JsonObject } from '../../base/json.ts';
import type { Values } from './copy-rows.ts';
import { computeCorrectionFactors, type GrowthContext } from '../plan/factors.ts';
import { withDType } from '../plan/dtypes.ts';

/** Of a checkpoint, what decides. */
export interface DTypeSource {
  readonly family: ModelFamily;
  readonly dims: Dims;
  readonly settings: Settings;
  readonly config: JsonObject;
}

export interface DTypeChange {
  readonly config: JsonObject;
  readonly settings: Settings;
  /** One weight's values for the other type, not rounded to it; the same array where nothing changes. */
  convert<T extends Values>(parameter: Pick<Parameter, 'key' | 'spec'>, values: T): T;
}

/** The model as one whose config says `dtype`. */
export function changeDType(
  { family, dims, settings, config }: DTypeSource,
  dtype: WeightDType,
): DTypeChange {
  const said = withDType(config, dtype);
  const after = settingsOf(family, said);
  const change: GrowthContext = {
    family,
    tied: settings['tied'] === true,
    from: dims,
    to: dims,
    settings: [settings, after],
    map: (axis: Axis): AxisMap => keep(dims[axis]!),
    keeps: 'stream',
  };
  return {
    config: said,
    settings: after,
    convert<T extends Values>({ key, spec }: Pick<Parameter, 'key' | 'spec'>, values: T): T {
      const by = computeCorrectionFactors(change, key, spec).reduce(
        (product, factor) => product * factor.by,
        1,
      );
      return by === 1 ? values : (values.map((v) => (v + spec.offset) * by - spec.offset) as T);
    },
  };
}
