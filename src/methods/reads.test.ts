import { describe, expect, it } from 'vitest';
import { METHODS } from './index.ts';
import type { Method } from './method.ts';
import { readsOf } from './reads.ts';

function method(name: string): Method {
  const found = METHODS.get(name);
  if (!found) throw new Error(`no method ${name}`);
  return found;
}

describe('what a pass depends on', () => {
  it('is what its function and the functions that it calls ask for', () => {
    // Thresholds of ties depend on nothing but the changes; how many are kept is the declaration's.
    const [selection] = method('ties').passes ?? [];
    expect(readsOf(method('ties'), selection?.name ?? '')).toMatchObject({ params: [], isRandom: false });
    const dare = readsOf(method('dare_ties'), 'l1');
    expect(dare.isRandom).toBe(true);
    expect(dare.perModel).toEqual(['density']);
    expect(dare.perModel).not.toContain('weight');
  });

  it('never counts the weights, so that a slider runs no pass again', () => {
    for (const own of METHODS.values()) {
      for (const pass of own.passes ?? []) {
        expect(readsOf(own, pass.name).perModel, `${own.name} ${pass.name}`).not.toContain('weight');
        expect(readsOf(own, pass.name).params, `${own.name} ${pass.name}`).not.toContain('lambda');
      }
    }
  });

  it('is known of every pass that is declared', () => {
    for (const own of METHODS.values()) {
      const names = (own.passes ?? []).map(({ name }) => name);
      names.forEach((name, n) => {
        for (const read of readsOf(own, name).passes) expect(names.indexOf(read)).toBeLessThan(n);
      });
    }
  });
});
