import { describe, expect, it } from 'vitest';
import { newRecipe } from '../recipe/yaml.ts';
import { agoPhrase, leftSentence, namesToDrop, returnSentence } from './left-work.ts';
import type { Opening } from './kept-files.ts';
import type { KeptWorkspace } from './workspace-text.ts';

const left = (text: string, part: Partial<KeptWorkspace> = {}): KeptWorkspace => ({
  changedMs: 0,
  text,
  past: [],
  future: [],
  checkpoints: [{ name: 'base', weightFiles: [], totalBytes: 1, tensorCount: 1 }],
  openings: [],
  takes: [],
  loaded: null,
  a: { kind: 'now', text: null },
  b: { kind: 'now', text: null },
  centre: 'mixer',
  mapDetail: 'modules',
  locks: [],
  conversation: null,
  underWay: null,
  hadBlend: false,
  ...part,
});

describe('what was left, in words', () => {
  it('names method, models and base, and counts takes', () => {
    const text = newRecipe({ method: 'linear', base: 'base', models: ['m1', 'm2'] });
    expect(leftSentence(left(text))).toMatch(/^Linear of m1 and m2/);
    const varm = newRecipe({ method: 'varm', base: 'base', models: ['m1', 'm2', 'm3', 'm4', 'm5'] });
    const takes = [{ id: 1, name: 'Take 1', text: '', madeMs: 0 }];
    expect(leftSentence(left(varm, { takes }))).toMatch(/ of 5 models on base, with 1 take$/);
  });

  it('names the checkpoints where there is no recipe', () => {
    expect(leftSentence(left(''))).toBe('base');
  });

  it('says how long ago', () => {
    const minute = 60_000;
    const phrases = [0.5, 1, 59, 60, 60 * 23.9, 60 * 24, 60 * 49].map((minutes) => agoPhrase(0, minutes * minute));
    expect(phrases).toEqual([
      'just now',
      '1 minute ago',
      '59 minutes ago',
      '1 hour ago',
      '23 hours ago',
      'yesterday',
      '2 days ago',
    ]);
    // A clock that was put back is no reason for nonsense.
    expect(agoPhrase(1e9, 0)).toBe('just now');
  });

  it('names folders to drop once each, and files that came without one', () => {
    const opening = (paths: readonly string[], names: readonly string[] = []): Opening => ({
      key: paths.join(),
      source: 'files',
      files: paths.map((path) => ({ path, bytes: 1, changedMs: 0 })),
      names,
    });
    expect(
      namesToDrop([
        opening(['m1/config.json', 'm1/model.safetensors']),
        opening(['loose.safetensors']),
        opening([], ['m2']),
      ]),
    ).toEqual(['m1', 'loose.safetensors', 'm2']);
  });

  it('says what the reload stopped and what is not as it was', () => {
    const none = { changed: [], missing: [] };
    const was = { underWay: null, hadBlend: false };
    expect(returnSentence(was, none)).toEqual({ tone: 'plain', sentence: 'The recipe is as you left it.' });
    expect(returnSentence({ underWay: 'merge', hadBlend: true }, none)).toEqual({
      tone: 'warning',
      sentence: 'The recipe is as you left it. The merge was stopped by the reload. Merge again.',
    });
    expect(returnSentence(was, { changed: ['a', 'b', 'c', 'd', 'e'], missing: ['m1', 'm2'] }).sentence).toBe(
      'The recipe is as you left it. m1 and m2 are not there any more: add them again. a, b, c, d and 1 more changed on disk since.',
    );
  });
});
