/** Survey figures: shares, sizes and cosines as the models view and its CSV write them. Of a fixed width where it can be. */

/** Where nothing was measured. */
export const NO_FIGURE = '–';

/** A share as a percentage with two decimals: `4.21 %`. One that is not quite 0 or 100 % is never written as that. */
export function shareFigure(share: number): string {
  if (!Number.isFinite(share)) return NO_FIGURE;
  const percent = share * 100;
  if (percent > 0 && percent < 0.005) return '< 0.01 %';
  if (percent < 100 && percent >= 99.995) return '> 99.99 %';
  if (percent === 0 || percent === 100) return `${percent} %`;
  return `${percent.toFixed(percent < 1000 ? 2 : 0)} %`;
}

/** A size with three significant digits: `0.0123`, and `1.23e-5` where zeros would hide it. */
export function sizeFigure(size: number): string {
  if (!Number.isFinite(size)) return NO_FIGURE;
  if (size === 0) return '0';
  const magnitude = Math.abs(size);
  const text = magnitude >= 1e-3 && magnitude < 1e4 ? size.toPrecision(3) : size.toExponential(2);
  return text.replace('-', size < 0 ? '−' : '-').replace('e+', 'e');
}

/** A cosine with two decimals and a true minus: `0.87`, `−0.12`. */
export function cosineFigure(cosine: number): string {
  if (!Number.isFinite(cosine)) return NO_FIGURE;
  const text = cosine.toFixed(2);
  return (text === '-0.00' ? '0.00' : text).replace('-', '−');
}
