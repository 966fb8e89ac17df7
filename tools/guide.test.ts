/** README.md and docs/guide.md show pictures that are there, and no picture is made for nobody. */

import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';

const ROOT = join(dirname(fileURLToPath(import.meta.url)), '..');
const PAGES = ['README.md', 'docs/guide.md'];

/** The pictures that a page shows, by their whole path. */
function shown(page: string): string[] {
  const text = readFileSync(join(ROOT, page), 'utf8');
  const paths = [...text.matchAll(/!\[[^\]]*\]\(([^)]+)\)|<img src="([^"]+)"/g)].map((match) => match[1] ?? match[2]);
  return paths.flatMap((path) => (path === undefined ? [] : [resolve(ROOT, dirname(page), path)]));
}

it('every picture that is shown was made, and every one that was made is shown', () => {
  const folder = join(ROOT, 'docs', 'screenshots');
  const made = readdirSync(folder).map((name) => join(folder, name));
  const all = new Set(PAGES.flatMap(shown));
  expect([...all].sort()).toEqual(made.sort());
});
