import { expect, it } from 'vitest';
import { firstDivergence } from './divergence.ts';
import { saidToken } from './engine-double.ts';

it('finds nothing in equal replies', () => {
  expect(firstDivergence([], [])).toBeNull();
  expect(firstDivergence([saidToken(1, 'a')], [saidToken(1, 'a')])).toBeNull();
});

it('tells the first difference, and what each thought of the other’s token', () => {
  const a = [
    saidToken(1, 'the'),
    saidToken(2, ' cat', { probability: 0.6, alternatives: [{ token: 3, text: ' dog', probability: 0.3 }] }),
    saidToken(9, '!'),
  ];
  const b = [saidToken(1, 'the'), saidToken(3, ' dog', { probability: 0.7 }), saidToken(8, '?')];
  expect(firstDivergence(a, b)).toMatchObject({
    index: 1,
    a: { text: ' cat', probability: 0.6 },
    b: { text: ' dog', probability: 0.7 },
    aOfB: 0.3,
    bOfA: null,
  });
});

it('parts where one of them ends', () => {
  expect(firstDivergence([saidToken(1)], [saidToken(1), saidToken(2)])).toMatchObject({
    index: 1,
    a: null,
    aOfB: null,
  });
  expect(firstDivergence([saidToken(1)], [])).toMatchObject({ index: 0, b: null });
});

it('goes by text where numbers come from two tokenizers, and by numbers where there is no text', () => {
  expect(firstDivergence([saidToken(5, 'a')], [saidToken(7, 'a')])).toBeNull();
  expect(firstDivergence([saidToken(5, 'a')], [saidToken(5, 'b')])).toMatchObject({ index: 0 });
  expect(firstDivergence([saidToken(5, '')], [saidToken(7, '')])).toMatchObject({ index: 0 });
});
