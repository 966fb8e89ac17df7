import { expect, it } from 'vitest';
import { blendLabel, MOST_PAST_BLENDS, type RememberedBlend, withBlend, withHeard } from './past-blends.ts';

const text = (share: number) =>
  `merge_method: varm\nbase_model: b\nmodels:\n  - model: x\n    parameters: {share: ${share}}\n  - model: y\n`;

it('names a blend by its number, method and what its handle says', () => {
  expect(blendLabel(3, text(0.25))).toBe('Blend 3 · varm · share 0.25, auto');
  expect(blendLabel(4, 'merge_method: varm\nbase_model: b\nmodels:\n  - model: x\n')).toBe('Blend 4 · varm');
  expect(blendLabel(5, ':::')).toBe('Blend 5');
});

it('keeps the last of a burst, and what was heard', () => {
  let blends: readonly RememberedBlend[] = [];
  for (let n = 1; n <= 50; n++) blends = withBlend(blends, n, text(n / 100), 10_000 + n * 10);
  expect(blends.map(({ blend }) => blend)).toEqual([50]);
  blends = withHeard(blends, 50, text(0.5), 10_500);
  blends = withBlend(blends, 51, text(0.51), 10_600);
  expect(blends.map(({ blend }) => blend)).toEqual([51, 50]);
});

it('is bounded: what nobody heard goes first, the live one never', () => {
  let blends: readonly RememberedBlend[] = [];
  for (let n = 1; n <= MOST_PAST_BLENDS; n++) {
    blends = withBlend(blends, n, text(n / 100), n * 10_000);
    if (n !== 5) blends = withHeard(blends, n, text(n / 100), 0);
  }
  blends = withBlend(blends, 9, text(0.9), 90_000);
  expect(blends.map(({ blend }) => blend)).toEqual([9, 8, 7, 6, 4, 3, 2, 1]);
  blends = withBlend(blends, 10, text(0.91), 100_000);
  expect(blends.map(({ blend }) => blend)).toEqual([10, 8, 7, 6, 4, 3, 2, 1]);
});

it('holds one recipe once, under its newest number', () => {
  let blends = withHeard(withBlend([], 1, text(0.1), 0), 1, text(0.1), 0);
  blends = withBlend(blends, 2, text(0.2), 10_000);
  blends = withBlend(blends, 3, text(0.1), 20_000);
  expect(blends.map(({ blend, wasHeard }) => [blend, wasHeard])).toEqual([
    [3, true],
    [2, false],
  ]);
});

it('takes in what was heard after a burst had pushed it out', () => {
  const blends = withBlend(withBlend([], 1, text(0.1), 0), 2, text(0.2), 10);
  expect(withHeard(blends, 1, text(0.1), 20).map(({ blend, wasHeard }) => [blend, wasHeard])).toEqual([
    [2, false],
    [1, true],
  ]);
});
