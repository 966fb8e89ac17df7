import { parse } from 'yaml';
import { describe, expect, it } from 'vitest';
import { METHODS } from '../methods/index.ts';
import type { Method } from '../methods/method.ts';
import { type CardAudit, type CardFacts, modelCard } from './card.ts';
import { parseRecipe } from './yaml.ts';

const method = (name: string): Method => {
  const found = METHODS.get(name);
  if (!found) throw new Error(`${name} is missing`);
  return found;
};

const TEXT = 'merge_method: varm\nbase_model: base\nmodels:\n  - model: a\n  - model: b\n';

const facts = (over: Partial<CardFacts> = {}): CardFacts => ({
  name: 'my-merge',
  recipe: parseRecipe(TEXT),
  recipeText: TEXT,
  method: method('varm'),
  parents: [{ name: 'base' }, { name: 'a' }, { name: 'b' }],
  version: '0.1.0',
  outDtype: 'BF16',
  mergedTensors: 12,
  ...over,
});

/** Front matter as the Hub reads it, and the rest. */
function split(card: string): { front: Record<string, unknown>; body: string } {
  const match = /^---\n([^]*?)\n---\n([^]*)$/.exec(card);
  return { front: parse(match?.[1] ?? ''), body: match?.[2] ?? '' };
}

describe('modelCard', () => {
  it('tells what the Hub and a reader need', () => {
    const { front, body } = split(modelCard(facts({ copiedTensors: 3 })));
    expect(front).toEqual({
      base_model: ['base', 'a', 'b'],
      library_name: 'transformers',
      pipeline_tag: 'text-generation',
      tags: ['merge', 'fusewright'],
    });
    expect(body).toContain('# my-merge\n');
    expect(body).toContain(`[${method('varm').title}](https://arxiv.org/abs/2402.16107): ${method('varm').summary}`);
    expect(body).toContain(`\`\`\`yaml\n${TEXT}\`\`\``);
    expect(body).toContain('12 tensors blended, and 3 copied from the base');
    expect(body).toContain('bfloat16');
    expect(body.indexOf('- `a`')).toBeLessThan(body.indexOf('- `b`'));
  });

  it('tags what mergekit can make, and names a licence only where all parents share it', () => {
    const mit = [
      { name: 'base', license: 'mit' },
      { name: 'a', license: 'mit' },
    ];
    expect(split(modelCard(facts({ method: method('linear'), parents: mit }))).front).toMatchObject({
      license: 'mit',
      tags: ['merge', 'fusewright', 'mergekit'],
    });
    for (const license of [null, 'apache-2.0', 'mit\nevil: 1']) {
      const card = modelCard(
        facts({
          parents: [
            { name: 'base', license: 'mit' },
            { name: 'a', license },
          ],
        }),
      );
      expect(split(card).front).not.toHaveProperty('license');
      expect(split(card).front).not.toHaveProperty('evil');
    }
  });

  it.each([
    'x\n---\nevil: true',
    '---',
    '...',
    '"quoted": {a: 1}',
    '- a\n- b',
    '`code` ``` and <script>alert(1)</script>',
    '# head\r\n## more\u2028### third',
    '![x](https://example.com/x.png) | [y](javascript:1)',
    '&amp; *bold* _it_ ~~s~~ @all $m$',
    '!!js/function x',
    'null',
    '',
  ])('keeps the name %j within its place', (name) => {
    const recipe = { ...parseRecipe(TEXT), base: name, models: [{ model: name, parameters: {} }] };
    const card = modelCard(facts({ name, recipe, parents: [{ name, license: name }] }));
    const { front, body } = split(card);
    expect(Object.keys(front).filter((key) => key !== 'license')).toEqual([
      'base_model',
      'library_name',
      'pipeline_tag',
      'tags',
    ]);
    expect(front.base_model).toHaveLength(1);
    expect(typeof (front.base_model as unknown[])[0]).toBe('string');
    const lines = body.split(/[\n\r\u2028]/);
    expect(lines.filter((line) => line.startsWith('#'))).toHaveLength(5);
    const [title = ''] = lines.filter((line) => line.startsWith('# '));
    expect(title).not.toMatch(/(?<!\\)[<`[\]*_|]/);
    const entry = lines.find((line) => line.startsWith('- `')) ?? '';
    const [, ticks = '', inner = ''] = /^- (`+)(.*?[^`])\1(?: \(licence: .*\))?$/.exec(entry) ?? [];
    expect(inner.match(/`+/g) ?? []).not.toContain(ticks);
    expect(entry).not.toBe('');
  });

  it('fences a recipe that holds fences', () => {
    const recipeText = `${TEXT}# \`\`\`\`\n# \`\`\`\n`;
    const { body } = split(modelCard(facts({ recipeText })));
    expect(body).toContain(`\`\`\`\`\`yaml\n${recipeText}\`\`\`\`\`\n`);
    expect(modelCard(facts({ recipeText: '` '.repeat(300_000) }))).toContain('```yaml');
  });

  it('tells of the audit, whatever models and tensors are called', () => {
    const evil = 'a|b`c\n# d [e](https://example.com)';
    const sha256 = '0123456789abcdef'.repeat(4);
    const audit: CardAudit = {
      verdict: 'failed',
      findings: [{ severity: 'failure', message: `The result holds 3 NaN values, in ${evil} (3).` }],
      seeds: [7],
      totals: { norm: null, parents: [{ model: evil, norm: 12.345678 }] },
      files: [{ name: 'model.safetensors', bytes: 10, sha256 }],
    };
    const { body } = split(modelCard(facts({ audit })));
    expect(body).toContain('with seed 7: the same recipe gives the same bits.');
    expect(body).toContain(`| \`model.safetensors\` | 10 | \`${sha256}\` |`);
    expect(body).toMatch(/\*\*Failed\.\*\*/);
    const lines = body.split('\n');
    expect(lines.filter((line) => line.startsWith('#'))).toHaveLength(6);
    const finding = lines.find((line) => line.startsWith('- The result'));
    expect(finding).not.toMatch(/(?<!\\)[[\]`|:#]/);
    const row = lines.find((line) => line.includes('12.346')) ?? '';
    expect(row.match(/(?<!\\)\|/g)).toHaveLength(3);
    expect(lines.at(lines.indexOf(row) + 1)).toBe('| this merge | – |');
    expect(modelCard(facts())).not.toContain('## Audit');
    expect(modelCard(facts({ audit: { ...audit, verdict: 'passed', findings: [], seeds: [] } }))).not.toContain('seed');
  });
});
