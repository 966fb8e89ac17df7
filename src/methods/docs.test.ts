import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { methodsTable } from './docs.ts';

describe('README.md', () => {
  it('shows the methods as they are declared', () => {
    const readme = readFileSync(new URL('../../README.md', import.meta.url), 'utf8');
    const [, shown = ''] = /<!-- methods -->\n([\s\S]*?)\n<!-- \/methods -->/.exec(readme) ?? [];
    expect(shown).toBe(methodsTable());
  });
});
