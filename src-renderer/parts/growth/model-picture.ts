/**
 * @file A picture of a whole model to scale: embeddings, layers and head as rectangles. Their width is the hidden
 * size and their area the number of parameters.
 */
import { familyById } from '../../../src-main/model/families/index.ts';
import { groupOf, parametersOf, type ParameterGroup } from '../../../src-main/model/parameters.ts';
import type { Settings } from '../../../src-main/model/settings.ts';
import { countElements, type Dims } from '../../../src-main/tensor/layout.ts';

export interface Strip {
  readonly group: ParameterGroup;
  readonly parameters: number;
}
/** One layer, or what comes before or after the layers. */
export interface PictureBlock {
  readonly layer: number | undefined;
  readonly parameters: number;
  readonly strips: readonly Strip[];
}
export interface ModelPicture {
  readonly hidden: number;
  readonly layers: number;
  readonly parameters: number;
  readonly blocks: readonly PictureBlock[];
}

export interface PicturedModel {
  readonly family: string;
  readonly dims: Dims;
  readonly settings: Settings;
}

/** Neighbouring layers are drawn as one block if there are more than this. */
const maxLayers = 96;

export function buildModelPicture({ family: id, dims, settings }: PicturedModel): ModelPicture {
  const family = familyById(id);
  const blocks: { layer: number | undefined; groups: Map<ParameterGroup, number> }[] = [];
  for (const { key, spec, shape, layer } of parametersOf(family, dims, settings)) {
    const last = blocks.at(-1);
    const block = last && last.layer === layer ? last : { layer, groups: new Map<ParameterGroup, number>() };
    if (block !== last) blocks.push(block);
    const group = groupOf(family, key, spec);
    block.groups.set(group, (block.groups.get(group) ?? 0) + countElements(shape));
  }
  const sized = blocks.map(({ layer, groups }): PictureBlock => {
    const strips = [...groups].map(([group, parameters]) => ({ group, parameters }));
    return { layer, parameters: sum(strips), strips };
  });
  return {
    hidden: dims['hidden']!,
    layers: dims['layers']!,
    parameters: sum(sized),
    blocks: mergeLayers(sized, Math.ceil(dims['layers']! / maxLayers)),
  };
}

const sum = (parts: readonly { readonly parameters: number }[]): number =>
  parts.reduce((total, { parameters }) => total + parameters, 0);

/** Merges every `size` layers into one block, so that a deep model has lines that can be seen. */
function mergeLayers(blocks: readonly PictureBlock[], size: number): readonly PictureBlock[] {
  if (size <= 1) return blocks;
  const out: PictureBlock[] = [];
  let open = 0;
  for (const block of blocks) {
    const last = out.at(-1);
    if (block.layer === undefined || last?.layer === undefined || open >= size) {
      out.push(block);
      open = 1;
      continue;
    }
    out[out.length - 1] = {
      layer: last.layer,
      parameters: last.parameters + block.parameters,
      strips: last.strips.map(({ group, parameters }) => ({
        group,
        parameters: parameters + (block.strips.find((strip) => strip.group === group)?.parameters ?? 0),
      })),
    };
    open++;
  }
  return out;
}

export interface Rectangle {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
  readonly group: ParameterGroup;
}

/** How pictures are drawn, so that two of them can be compared: the area of a parameter is `unit` ² pixels. */
export interface PictureScale {
  readonly unit: number;
  /** Width in units of one entry of the hidden size. */
  readonly perHidden: number;
}

/** Pixels between two blocks. */
const gap = 1;
/** Height to width of the first picture. */
const aspect = 1.5;

/** The rectangles of a picture from top to bottom, centred in `room` pixels. */
export function layOut(picture: ModelPicture, scale: PictureScale, room: number): readonly Rectangle[] {
  const width = widthOf(picture, scale);
  const x = (room - width) / 2;
  let y = 0;
  return picture.blocks.flatMap(({ strips }) => {
    const rectangles = strips.map(({ group, parameters }): Rectangle => {
      const height = (parameters * scale.unit ** 2) / width;
      const rectangle = { x, y, width, height, group };
      y += height;
      return rectangle;
    });
    y += gap;
    return rectangles;
  });
}

const widthOf = ({ hidden }: ModelPicture, { unit, perHidden }: PictureScale): number =>
  hidden * perHidden * unit;

/** The height of a picture in pixels, with its gaps. */
export const heightOf = (picture: ModelPicture, scale: PictureScale): number =>
  (picture.parameters * scale.unit ** 2) / widthOf(picture, scale) + gap * picture.blocks.length;

/** The largest scale at which all pictures fit into `width` and `height` pixels each. */
export function fitScale(pictures: readonly ModelPicture[], width: number, height: number): PictureScale {
  const first = pictures[0]!;
  const perHidden = Math.sqrt(first.parameters / aspect) / first.hidden;
  const units = pictures.map(({ hidden, parameters, blocks }) => {
    const unitWidth = hidden * perHidden;
    const body = Math.max(1, height - gap * blocks.length);
    return Math.min(width / unitWidth, (body * unitWidth) / parameters);
  });
  return { unit: Math.min(...units), perHidden };
}
