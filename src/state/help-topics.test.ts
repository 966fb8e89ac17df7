import { describe, expect, it } from 'vitest';
import { METHODS } from '../methods/index.ts';
import type { Commands } from './commands.ts';
import { helpTopics } from './help-topics.ts';
import { MAP_KEYS } from './map-keys.ts';

/** No command has a part in what is looked at here. */
const topics = helpTopics({} as Commands);

function topic(name: string) {
  const own = topics.find((one) => one.name === name);
  if (!own) throw new Error(`no topic ${name}`);
  return own;
}

describe('the help', () => {
  it('lists every key of the map', () => {
    const terms = topic('map').blocks.flatMap(({ rows }) => rows.map(({ term }) => term));
    expect(terms).toEqual([...MAP_KEYS.map(({ key }) => key), 'Drag']);
  });

  it('lists every preset of every method, and when to use it', () => {
    const { blocks } = topic('methods');
    expect(blocks).toHaveLength(METHODS.size);
    for (const method of METHODS.values()) {
      const rows = blocks.find(({ title }) => title === method.title)?.rows ?? [];
      for (const { name, when } of method.presets ?? []) {
        expect(rows).toContainEqual({ term: `Preset: ${name}`, text: when, kind: 'word' });
      }
    }
  });

  it('is plain text', () => {
    for (const { blocks } of topics) {
      for (const { paragraphs, rows } of blocks) {
        for (const text of [...paragraphs, ...rows.map((row) => row.text)])
          expect(text).not.toMatch(/`|\*\*|undefined/);
      }
    }
  });
});
