/** Survey histogram: the bins of a histogram that anything lies in, as shares, ready to be drawn; and in words. Pure. */

import type { ChangeHistogram } from './engine-api.ts';
import { shareFigure } from './survey-figures.ts';

/** What is drawn of a histogram. */
export interface HistogramView {
  /** Exponent of two of the first bin that is shown. */
  readonly firstExponent: number;
  readonly bins: number;
  /** Per model and shown bin: share of all of the model's elements, unchanged ones included. */
  readonly shares: Float64Array;
  /** Per model. */
  readonly unchanged: readonly number[];
  /** The largest of `shares`; 0 where nothing changed. */
  readonly top: number;
}

/** Fewer bins than this look like a bar and not like a distribution. */
const LEAST_BINS = 8;

/** The view of a histogram. */
export function histogramView({ models, firstExponent, bins, counts, unchanged }: ChangeHistogram): HistogramView {
  const isUsed = Array.from({ length: bins }, (_, bin) => models.some((__, m) => (counts[m * bins + bin] ?? 0) > 0));
  const first = Math.max(0, isUsed.indexOf(true));
  const last = Math.max(first, isUsed.lastIndexOf(true));
  const missing = Math.max(0, LEAST_BINS - (last - first + 1));
  const from = Math.max(0, first - Math.ceil(missing / 2));
  const shown = Math.min(bins - from, Math.max(LEAST_BINS, last - from + 1));
  const shares = new Float64Array(models.length * shown);
  const unchangedShares: number[] = [];
  let top = 0;
  models.forEach((_, m) => {
    const own = counts.subarray(m * bins, (m + 1) * bins);
    const still = unchanged[m] ?? 0;
    const total = own.reduce((sum, count) => sum + count, still);
    unchangedShares.push(still / total);
    for (let bin = 0; bin < shown; bin++) {
      const share = total > 0 ? (own[from + bin] ?? 0) / total : 0;
      shares[m * shown + bin] = share;
      top = Math.max(top, share);
    }
  });
  return { firstExponent: firstExponent + from, bins: shown, shares, unchanged: unchangedShares, top };
}

const RAISED = '⁰¹²³⁴⁵⁶⁷⁸⁹';

/** `2⁻¹⁰`. */
export function powerOfTwo(exponent: number): string {
  const digits = String(Math.abs(exponent)).replace(/\d/g, (digit) => RAISED[Number(digit)] ?? digit);
  return `2${exponent < 0 ? '⁻' : ''}${digits}`;
}

/** One model's distribution as a sentence: where most of its changes lie, and how much it left alone. */
export function histogramText(view: HistogramView, model: number): string {
  const own = view.shares.subarray(model * view.bins, (model + 1) * view.bins);
  const still = `${shareFigure(view.unchanged[model] ?? Number.NaN)} unchanged`;
  let most = 0;
  own.forEach((share, bin) => {
    if (share > (own[most] ?? 0)) most = bin;
  });
  const share = own[most] ?? 0;
  if (share === 0) return still;
  const exponent = view.firstExponent + most;
  const median = view.firstExponent + medianBin(own);
  return `Most changes, ${shareFigure(share)} of the elements, are of size 2^${exponent} to 2^${exponent + 1}; the median change is in 2^${median} to 2^${median + 1}; ${still}`;
}

/** The bin in which half of what changed is reached. */
function medianBin(shares: Float64Array): number {
  const half = shares.reduce((sum, share) => sum + share, 0) / 2;
  let sum = 0;
  for (const [bin, share] of shares.entries()) {
    sum += share;
    if (sum >= half) return bin;
  }
  return shares.length - 1;
}
