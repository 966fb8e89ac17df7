import { describe, expect, it } from 'vitest';
import { hiddenSentence, layersListed, namesListed, placeWords } from './curve-words.ts';

describe('curve words', () => {
  it('list names and layers', () => {
    expect(namesListed(['a'])).toBe('a');
    expect(namesListed(['a', 'b', 'c'])).toBe('a, b and c');
    expect(namesListed(['a', 'b', 'c', 'd', 'e', 'f'])).toBe('a, b, c, d and 2 more');
    expect(layersListed([4])).toBe('layer 4');
    expect(layersListed([0, 1, 2, 7])).toBe('layers 0 to 2 and 7');
    expect(layersListed([3, 4])).toBe('layers 3, 4');
  });

  it('say which entries above take tensors', () => {
    expect(hiddenSentence({ found: 9, got: 9, hidden: [] })).toBe('');
    expect(hiddenSentence({ found: 9, got: 6, hidden: [{ by: 'layers.1.', tensors: 3, layers: [1] }] })).toBe(
      'The first match in the list decides: 3 of its 9 tensors go by what stands above, “layers.1.” in layer 1.',
    );
    expect(hiddenSentence({ found: 2, got: 0, hidden: [{ by: null, tensors: 2, layers: [] }] })).toBe(
      'The first match in the list decides: all 2 of its tensors go by what stands above, the value for all.',
    );
  });

  it('say where a point lies', () => {
    expect(placeWords(0, 24)).toBe('layer 0 of 24');
    expect(placeWords(1, 24)).toBe('layer 23 of 24');
    expect(placeWords(0.5, 24)).toBe('between layers 11 and 12 of 24');
  });
});
