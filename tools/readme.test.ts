/** README.md and METHODS.md are held to what they are made from: the methods' declarations, the measured evidence. */

import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { CHAT_MODEL_TYPES } from '../src/chat/architecture.ts';
import { methodsReference, methodsTable } from '../src/methods/docs.ts';

function text(path: string): string {
  return readFileSync(new URL(`../${path}`, import.meta.url), 'utf8');
}

describe('METHODS.md', () => {
  // `npx vitest run --project unit tools/readme.test.ts -u` writes it.
  it('says what the methods declare', async () => {
    await expect(methodsReference()).toMatchFileSnapshot('../METHODS.md');
  });
});

describe('README.md', () => {
  it('shows the methods as they are declared', () => {
    const [, shown = ''] = /<!-- methods -->\n([\s\S]*?)\n<!-- \/methods -->/.exec(text('README.md')) ?? [];
    expect(shown).toBe(methodsTable());
  });

  it('names every architecture that can chat, and no other', () => {
    const [, listed = ''] = /\*\*Architectures\*\*: ([\s\S]*?), with\s/.exec(text('README.md')) ?? [];
    const named = listed.replace(/\([^)]*\)/g, '').split(/,|\sand\s/);
    const versions = { gemma3_text: 'gemma3', 'phi4-mini': 'phi3' } as Readonly<Record<string, string>>;
    const plain = (name: string) => versions[name.trim()] ?? name.trim();
    expect(new Set(named.map(plain))).toEqual(new Set(CHAT_MODEL_TYPES.map(plain)));
  });

  it('shows the evidence as it was measured', () => {
    const rows = text('bench/EVIDENCE.md').match(/^\|.*\|$/gm) ?? [];
    expect(rows.length).toBeGreaterThan(10);
    const [, shown = ''] = /<!-- evidence -->\n([\s\S]*?)\n<!-- \/evidence -->/.exec(text('README.md')) ?? [];
    expect(shown.match(/^\|.*\|$/gm)).toEqual(rows);
  });
});
