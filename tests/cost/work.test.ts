/** @file The work of training programs, against FLOPs counted by hand and the usual rule. */
import { describe, expect, it } from 'vitest';
import { programsOf, type Subject } from '../../src-main/cost/programs.ts';
import { ruleOfThumb, workOf } from '../../src-main/cost/work.ts';
import { countFlops } from '../../src-main/graph/passes/liveness.ts';
import { graphOf, input, matmul, softmax } from '../../src-main/graph/ops/build.ts';
import { countOf, nodesOf, type Graph } from '../../src-main/graph/graph.ts';
import { lowerGraph } from '../../src-main/graph/onnx.ts';
import { familyOf } from '../../src-main/model/families/index.ts';
import { dimsOf, settingsOf } from '../../src-main/model/config.ts';
import { tokensPerStep } from '../../src-main/train/schedule.ts';
import { trainingDefaults, type TrainingSettings } from '../../src-main/train/settings.ts';
import { goldenSubjects, uncoveredFamilies } from './golden-subjects.ts';

/** 2·m·n·k summed over every MatMul after all fused operators are lowered. */
const countMatMulFlops = (graph: Graph): number =>
  nodesOf(Object.values(lowerGraph(lowerGraph(graph, 'webgpu'), 'webgpu').outputs))
    .filter((node) => node.op.name === 'MatMul')
    .reduce(
      (sum, { inputs: [a], outputs: [out], attrs }) =>
        sum + 2 * countOf(out!.shape) * (attrs['transA'] ? a!.shape.at(-2)! : a!.shape.at(-1)!),
      0,
    );

const settings = (change: Partial<TrainingSettings> = {}): TrainingSettings => ({
  ...trainingDefaults,
  microBatch: 2,
  contextLength: 8,
  ...change,
});

describe('workOf', () => {
  it('is tested on every family', () => {
    expect(uncoveredFamilies).toEqual([]);
  });

  it.each(goldenSubjects)('counts the matrix products of $name', ({ subject }) => {
    for (const s of [settings(), settings({ gradAccum: 3 }), settings({ activationCheckpointing: 'full' })]) {
      for (const { graph } of programsOf(subject, s, 'cpu').update) {
        const work = workOf(graph);
        expect(work.flops).toBe(countFlops(graph));
        expect(work.flops).toBe(countMatMulFlops(graph));
      }
    }
  });

  it('is close to the rule of thumb per token if embeddings are small', () => {
    const config = {
      model_type: 'llama',
      vocab_size: 256,
      hidden_size: 256,
      intermediate_size: 1024,
      num_hidden_layers: 6,
      num_attention_heads: 8,
      num_key_value_heads: 8,
      head_dim: 32,
      max_position_embeddings: 512,
      rms_norm_eps: 1e-5,
      rope_theta: 10_000,
      tie_word_embeddings: true,
    };
    const family = familyOf(config);
    const subject = { family: family.id, dims: dimsOf(family, config), settings: settingsOf(family, config) };
    const s = settings({ microBatch: 4, contextLength: 128 });
    const programs = programsOf(subject, s, 'cpu');
    const perToken = workOf(programs.update[0]!.graph).flops / tokensPerStep(s);
    expect(perToken / ruleOfThumb(programs.parameters, subject.dims, s.contextLength)).toBeGreaterThan(0.96);
    expect(perToken / ruleOfThumb(programs.parameters, subject.dims, s.contextLength)).toBeLessThan(1.04);
  });

  it.each([1, 3])(
    'counts a forward pass of the source for each of %i micro-batches of distillation',
    (gradAccum) => {
      const [{ subject }, { subject: source }] = goldenSubjects.filter(({ name }) =>
        name.startsWith('llama'),
      ) as [(typeof goldenSubjects)[number], (typeof goldenSubjects)[number]];
      const s = settings({ gradAccum });
      const flops = (some: Subject, more: Partial<TrainingSettings> = {}): number =>
        programsOf(some, { ...s, ...more }, 'cpu').update.reduce(
          (n, { graph, times }) => n + times * workOf(graph).flops,
          0,
        );
      expect(flops({ ...subject, source }, { distillWeight: 0.5 }) - flops(subject)).toBe(
        gradAccum * workOf(programsOf(source, s, 'cpu').evaluation).flops,
      );
      expect(flops({ ...subject, source })).toBe(flops(subject));
    },
  );

  it('counts memory traffic, functions and nodes', () => {
    const a = input('a', 'float32', [8, 4]);
    const b = input('b', 'float32', [4, 16]);
    const work = workOf(graphOf({ out: softmax(matmul(a, b)) }));
    expect(work).toEqual({
      flops: 2 * 8 * 4 * 16,
      thin: 2 * 8 * 16,
      bytes: 2 * 4 * 8 * 16,
      functions: 2 * 8 * 16,
      nodes: 2,
    });
  });
});
