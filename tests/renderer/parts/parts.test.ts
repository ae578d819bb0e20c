import { cleanup, fireEvent, render, screen } from '@testing-library/svelte';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { axes } from '../../../src-main/tensor/layout.ts';
import { pad, tile } from '../../../src-main/tensor/axis-map.ts';
import { trainingDefaults, trainingOptions } from '../../../src-main/train/settings.ts';
import { methods } from '../../../src-main/growth/methods/index.ts';
import AxisDiagram from '../../../src-renderer/parts/growth/axis-diagram.svelte';
import { axisLook } from '../../../src-renderer/parts/growth/axes.ts';
import CertificateCard from '../../../src-renderer/parts/growth/certificate-card.svelte';
import DimField from '../../../src-renderer/parts/growth/dim-field.svelte';
import FactorList from '../../../src-renderer/parts/growth/factor-list.svelte';
import JobStrip from '../../../src-renderer/parts/run/job-strip.svelte';
import Notice from '../../../src-renderer/parts/notice.svelte';
import OptionForm from '../../../src-renderer/parts/form/option-form.svelte';
import { blockOf } from '../../../src-renderer/parts/growth/weight-regions.ts';
import { certificate } from '../fake-service.ts';

afterEach(cleanup);
const dims = { hidden: 8, ffn: 12 };

it('every axis has a colour and a label of its own', () => {
  for (const axis of [...Object.keys(axes), 'layers'])
    expect(axisLook(axis)).toMatchObject({ colour: `var(--axis-${axis}, var(--quiet))` });
  expect(axisLook('kv_heads').label).toBe('kv heads');
});

describe('AxisDiagram', () => {
  const draw = (map: typeof tile): string[] => {
    const { container } = render(AxisDiagram, {
      label: 'a weight',
      block: blockOf(
        { layout: 'ffn <- hidden', fills: { hidden: 'zero' }, spread: 'symmetric', silent: false },
        { hidden: map(8, 16) },
        dims,
        { ...dims, hidden: 16 },
      ),
    });
    return [...container.querySelectorAll('rect[data-kind]')].map((rect) => rect.getAttribute('data-kind')!);
  };
  it('draws a copy beside the old part, or an empty part', () => {
    expect(draw(tile)).toEqual(['old', 'copy']);
    cleanup();
    expect(draw(pad)).toEqual(['old', 'zero']);
    expect(screen.getByRole('img', { name: 'a weight' })).toBeTruthy();
  });
});

describe('OptionForm', () => {
  it('shows each training setting with its label, unit, range and reason', () => {
    render(OptionForm, {
      options: trainingOptions,
      values: { ...trainingDefaults } as never,
      onchange: vi.fn(),
    });
    for (const option of trainingOptions) {
      expect(screen.getByLabelText(option.label), option.id).toBeTruthy();
      expect(screen.getAllByText(option.help, { exact: false }).length).toBeGreaterThan(0);
    }
    expect((screen.getByLabelText('Learning rate') as HTMLInputElement).value).toBe('3e-4');
  });
  it('passes good values on and says what is wrong with others', async () => {
    const onchange = vi.fn();
    render(OptionForm, { options: trainingOptions, values: {}, onchange });
    const batch = screen.getByLabelText('Batch') as HTMLInputElement;
    await fireEvent.input(batch, { target: { value: '16' } });
    expect(onchange).toHaveBeenLastCalledWith('batch', 16);
    await fireEvent.input(batch, { target: { value: '1.5' } });
    expect(onchange).toHaveBeenCalledTimes(1);
    expect(screen.getByRole('alert').textContent).toBe('Enter a whole number');
    expect(batch.getAttribute('aria-invalid')).toBe('true');
    expect(batch.validationMessage).not.toBe('');
  });
  it('has a switch for "none" where a number may be absent', async () => {
    const onchange = vi.fn();
    render(OptionForm, { options: methods.get('hypercloning')!.options, values: {}, onchange });
    await fireEvent.click(screen.getByLabelText('none'));
    expect(onchange).toHaveBeenLastCalledWith('noise', null);
  });
  it('offers the choices of a choice', async () => {
    const onchange = vi.fn();
    render(OptionForm, { options: methods.get('hypercloning')!.options, values: {}, onchange });
    await fireEvent.change(screen.getByLabelText('Spread'), { target: { value: 'diagonal' } });
    expect(onchange).toHaveBeenLastCalledWith('variant', 'diagonal');
  });
});

describe('DimField', () => {
  it('slides over the sizes that are reached and takes exact numbers', async () => {
    const onchange = vi.fn();
    render(DimField, { axis: 'hidden', from: 64, value: 128, asked: true, stops: [64, 128, 192], onchange });
    const slider = screen.getByRole('slider') as HTMLInputElement;
    expect(slider.value).toBe('1');
    await fireEvent.input(slider, { target: { value: '2' } });
    expect(onchange).toHaveBeenLastCalledWith('hidden', 192);
    await fireEvent.input(screen.getByRole('spinbutton'), { target: { value: '100' } });
    expect(onchange).toHaveBeenLastCalledWith('hidden', 100);
    await fireEvent.click(screen.getByRole('button', { name: /let it follow/ }));
    expect(onchange).toHaveBeenLastCalledWith('hidden', undefined);
  });
});

it('FactorList gives each factor its reason, and names the entry it is for', () => {
  render(FactorList, {
    factors: [
      { why: 'sums 2 equal copies of hidden', by: 0.5 },
      { why: 'scores sum more', by: 0.7598, part: { axis: 'qkv', entry: 1 } },
    ],
    rate: 0.5,
    entries: ['q', 'k', 'v'],
  });
  const items = screen.getAllByRole('listitem').map((item) => item.textContent);
  expect(items).toEqual([
    '×½sums 2 equal copies of hidden',
    '×0.7598scores sum more (k only)',
    '×½learning rate',
  ]);
});

it('Notice says an error and its remedy in words', () => {
  render(Notice, {
    error: {
      code: 'growth/not-a-multiple',
      detail: { axis: 'hidden', from: 64, to: 100, nearest: [64, 128] },
    },
  });
  expect(screen.getByRole('alert').textContent).toContain('Hidden 64 → 100 is not a whole multiple.');
  expect(screen.getByRole('alert').textContent).toContain('The nearest possible hidden is 64 or 128');
});

describe('CertificateCard', () => {
  it('says in words whether it passed', () => {
    render(CertificateCard, { certificate });
    expect(screen.getByText('The grown model computes the same function')).toBeTruthy();
    expect(screen.getByText('2.10e-5')).toBeTruthy();
  });
  it('says so when it did not', () => {
    render(CertificateCard, { certificate: { ...certificate, maxLogit: 0.3, passed: false } });
    expect(screen.getByText('The grown model differs from its source')).toBeTruthy();
  });
});

it('JobStrip shows nothing when nothing is under way, and stops what is', async () => {
  const oncancel = vi.fn();
  const { container, rerender } = render(JobStrip, {
    runs: [],
    jobs: [],
    oncancel,
    onpause: vi.fn(),
    onhold: vi.fn(),
  });
  expect(container.textContent).toBe('');
  await rerender({ jobs: [{ id: 'j', kind: 'grow', title: 'stories', state: 'running', started: '' }] });
  await fireEvent.click(screen.getByRole('button', { name: /Cancel/ }));
  expect(oncancel).toHaveBeenCalledWith('j');
});
