/** @file Growing and exporting in the fake service. */
import { AppError, refuse } from '../../../src-main/base/errors.ts';
import type {
  CertifyEvent,
  CheckpointSummary,
  ExportEvent,
  GrowEvent,
} from '../../../src-main/contract/schema.ts';
import type { Service } from '../../../src-main/contract/service.ts';
import { formatReport } from '../../../src-main/growth/certificate-report.ts';
import type { GrowthRequest } from '../../../src-main/growth/recipe.ts';
import { checkSource } from '../../../src-main/growth/plan/check-source.ts';
import { createSavedPlan, describeSource, joinMethodIds } from '../../../src-main/growth/plan/saved-plan.ts';
import { countElements } from '../../../src-main/tensor/layout.ts';
import type { FakeJobs } from './jobs.ts';
import { certificate, createSummary, grownDir } from './models.ts';
import { sleep } from './sleep.ts';

type GrowthPart = Pick<
  Service,
  | 'planGrowth'
  | 'checkPlan'
  | 'startGrowth'
  | 'followGrowth'
  | 'certify'
  | 'certificateReport'
  | 'startExport'
  | 'followExport'
>;

export function createFakeGrowth(
  pace: number,
  jobs: FakeJobs,
  checkpoints: Map<string, CheckpointSummary>,
): GrowthPart {
  const fingerprintOf = (dir: string): string => `fingerprint of ${dir}`;
  return {
    planGrowth: async ({ dir, request }) =>
      createSavedPlan(checkpoints.get(dir)!, request as GrowthRequest, fingerprintOf(dir)),
    checkPlan: async ({ dir, plan }) => {
      checkSource(plan, describeSource(checkpoints.get(dir)!, fingerprintOf(dir)));
      return {};
    },
    startGrowth: async ({ source, out, request, plan }) => {
      if (checkpoints.has(out)) refuse('file/exists', { path: out });
      const summary = checkpoints.get(source)!;
      const job = jobs.start('grow', `Growing ${summary.name} into ${out.split('/').pop()!}`);
      const { stages } = plan ?? createSavedPlan(summary, request as GrowthRequest, null);
      const grownFrom = { source, method: joinMethodIds(stages), certificate };
      const { tokenizer } = summary;
      checkpoints.set(out, createSummary(stages.at(-1)!.config, out, { tokenizer, grownFrom }));
      return job;
    },
    followGrowth: async function* ({ id }): AsyncIterable<GrowEvent> {
      const { dir, tensors, bytes: ofBytes } = [...checkpoints.values()].at(-1)!;
      let bytes = 0;
      for (const [i, { name, shape }] of tensors.entries()) {
        await sleep(pace);
        if (jobs.find(id).state === 'cancelled') throw new AppError('cancelled', { what: 'The growth' });
        bytes += 4 * countElements(shape);
        const seconds = ((i + 1) * (pace + 1)) / 1000;
        yield {
          type: 'tensor',
          name,
          tensors: i + 1,
          ofTensors: tensors.length,
          bytes,
          ofBytes,
          seconds,
        };
      }
      yield { type: 'certifying' };
      await sleep(pace * 10);
      jobs.setState(id, 'done');
      yield { type: 'done', dir, seconds: 1.4, bytes: ofBytes, certificate, device: 'cpu' };
    },
    certify: async function* (): AsyncIterable<CertifyEvent> {
      yield { type: 'progress', what: 'comparing', done: 1024, of: 2048, seconds: 1 };
      await sleep(pace);
      yield { type: 'done', certificate };
    },
    certificateReport: async ({ dir, format }) => ({
      name: `certificate.${format}`,
      text: formatReport(certificate, { source: 'stories260K', grown: dir }, format),
    }),
    startExport: async () => jobs.start('export', 'Exporting stories'),
    followExport: async function* ({ id }): AsyncIterable<ExportEvent> {
      for (let i = 1; i <= 20; i++) {
        await sleep(pace);
        yield {
          type: 'tensor',
          name: `model.layers.${i}.mlp.up_proj.weight`,
          tensors: i,
          ofTensors: 20,
        };
      }
      yield { type: 'comparing' };
      jobs.setState(id, 'done');
      yield {
        type: 'done',
        dir: grownDir,
        files: ['config.json', 'model.safetensors', 'tokenizer.json'],
        bytes: 4_182_528,
        maxLogit: 0,
        device: 'cpu',
      };
    },
  };
}
