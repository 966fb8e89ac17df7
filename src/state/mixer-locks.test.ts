/** Locks hold over what they were set on, whatever part or whole of it a gesture names. */

import { describe, expect, it } from 'vitest';
import { EVERYTHING, lockCount, lockOn, NO_LOCKS, withLocks } from './mixer-locks.ts';

const MLP = 'model.layers.1.mlp.';

describe('locks', () => {
  const locks = withLocks(NO_LOCKS, 'a', [MLP], true);

  it('hold over the part and all within it, and over a part of what holds it', () => {
    expect(lockOn(locks, 'a', MLP)).toBe('all');
    expect(lockOn(locks, 'a', `${MLP}up_proj.`)).toBe('all');
    expect(lockOn(locks, 'a', `${MLP}up_proj.weight`)).toBe('all');
    expect(lockOn(locks, 'a', 'model.layers.1.')).toBe('part');
    expect(lockOn(locks, 'a', 'model.layers.11.mlp.')).toBe('none');
    expect(lockOn(locks, 'a', 'model.layers.1.mlp_other.')).toBe('none');
    expect(lockOn(locks, 'b', MLP)).toBe('none');
  });

  it('are let go by the part, by what holds it and by what it holds', () => {
    for (const filter of [MLP, 'model.layers.1.', `${MLP}up_proj.`, EVERYTHING]) {
      expect(lockCount(withLocks(locks, 'a', [filter], false))).toBe(0);
    }
    expect(lockCount(withLocks(locks, 'a', ['model.layers.2.'], false))).toBe(1);
  });

  it('hold over a whole model', () => {
    const whole = withLocks(NO_LOCKS, 'a', [EVERYTHING], true);
    expect(lockOn(whole, 'a', MLP)).toBe('all');
    expect(lockOn(whole, 'a', EVERYTHING)).toBe('all');
    expect(lockOn(whole, 'b', MLP)).toBe('none');
  });
});
