import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { mergekitScript } from './mergekit-script.ts';

const RECIPE = `merge_method: task_arithmetic
base_model: base
models:
  - model: "it's $HOME \`x\`"
    parameters: {weight: 0.5}
# END_OF_RECIPE
`;

describe('the script for mergekit', () => {
  it('writes the recipe as a shell reads it, whatever names hold, and calls mergekit on it', () => {
    const made = mergekitScript(RECIPE);
    if ('obstacle' in made) throw new Error(made.obstacle);
    const folder = mkdtempSync(join(tmpdir(), 'fusewright-mergekit-'));
    try {
      // A shell's function may have no dash in its name.
      const script = `mergekit() { echo "called $1 $2"; }\n${made.script.replace('mergekit-yaml', 'mergekit')}`;
      const lines = execFileSync('sh', ['-c', script], { cwd: folder, encoding: 'utf8' });
      expect(lines.trim()).toBe('called recipe.yml ./merged');
      expect(parse(readFileSync(join(folder, 'recipe.yml'), 'utf8'))).toMatchObject({
        merge_method: 'task_arithmetic',
        models: [{ model: "it's $HOME `x`" }],
      });
    } finally {
      rmSync(folder, { recursive: true });
    }
    expect(made.script).toMatch(/^# /);
  });

  it('says why there is none', () => {
    expect(mergekitScript('merge_method: varm\nbase_model: a\nmodels: [{model: b}]\n')).toEqual({
      obstacle: expect.stringMatching(/mergekit has no method varm/),
    });
  });
});
