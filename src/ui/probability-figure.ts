/** A probability as the chat writes it. */

/** Two significant digits where it matters: `62 %`, `3.4 %`, `<0.1 %`. */
export function probabilityFigure(probability: number): string {
  const percent = probability * 100;
  if (percent < 0.1) return '<0.1 %';
  if (percent < 9.95) return `${percent.toFixed(1)} %`;
  // Certainty is a claim that rounding must not make.
  return percent >= 99.5 && percent < 99.95 ? `${percent.toFixed(1)} %` : `${Math.round(percent)} %`;
}
