/** @file Certificates of grown checkpoints: comparing again, and reports to download. */
import { basename } from 'node:path';
import { refuse } from '../base/errors.ts';
import type { AbortSignalLike } from '../base/signals.ts';
import type {
  CertificateReport,
  CertificateReportRequest,
  CertificateText,
  CertifyEvent,
  CertifyRequest,
} from '../contract/schema.ts';
import { formatReport } from '../growth/certificate-report.ts';
import { openCheckpoint } from '../store/checkpoint/checkpoint.ts';
import { engineStream, type Processes } from './engines.ts';
import { toAbsolutePath } from './dependencies.ts';

export const withAbsolutePaths = (text: CertificateText): CertificateText => ({
  ...text,
  data: text.data.map(toAbsolutePath),
});

/** Compares a grown checkpoint with its source in an engine of its own. */
export function certify(
  processes: Processes,
  { source, grown, text, ...request }: CertifyRequest,
  signal?: AbortSignalLike,
): AsyncIterable<CertifyEvent> {
  const job = {
    ...request,
    source: toAbsolutePath(source),
    grown: toAbsolutePath(grown),
    ...(text ? { text: withAbsolutePaths(text) } : {}),
  };
  return engineStream(processes, (engine, engineSignal) => engine.certify(job, engineSignal), signal);
}

/** The stored certificate of a grown checkpoint as a file. Throws `growth/no-certificate`. */
export async function createCertificateReport({
  dir,
  format,
}: CertificateReportRequest): Promise<CertificateReport> {
  const path = toAbsolutePath(dir);
  const { growth, summary } = await openCheckpoint(path);
  const certificate = growth?.certificate ?? refuse('growth/no-certificate', { path });
  const subject = { source: basename(growth!.source), grown: summary.name };
  return {
    name: `${basename(path)}-certificate.${format}`,
    text: formatReport(certificate, subject, format),
  };
}
