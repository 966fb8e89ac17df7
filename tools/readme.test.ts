/** README.md is held to what it is made from: the methods' declarations and the measured evidence. */

import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { methodsTable } from '../src/methods/docs.ts';

function text(path: string): string {
  return readFileSync(new URL(`../${path}`, import.meta.url), 'utf8');
}

describe('README.md', () => {
  it('shows the methods as they are declared', () => {
    const [, shown = ''] = /<!-- methods -->\n([\s\S]*?)\n<!-- \/methods -->/.exec(text('README.md')) ?? [];
    expect(shown).toBe(methodsTable());
  });

  it('shows the evidence as it was measured', () => {
    const rows = text('bench/EVIDENCE.md').match(/^\|.*\|$/gm) ?? [];
    expect(rows.length).toBeGreaterThan(10);
    const [, shown = ''] = /<!-- evidence -->\n([\s\S]*?)\n<!-- \/evidence -->/.exec(text('README.md')) ?? [];
    expect(shown.match(/^\|.*\|$/gm)).toEqual(rows);
  });
});
