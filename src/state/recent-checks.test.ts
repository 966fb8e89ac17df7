/** One text is lined up once, and never over other checkpoints than are open. */

import { describe, expect, it } from 'vitest';
import type { Check } from '../merge/check.ts';
import { RecentChecks } from './recent-checks.ts';

const checkOf = (): Check => ({ findings: [], lineup: null });

describe('recent checks', () => {
  it('make the check of a text once', () => {
    const checks = new RecentChecks();
    const open = [[]];
    const first = checks.of('a', open, checkOf);
    const again = () => expect.fail('was made again');
    expect(checks.of('a', open, again)).toBe(first);
    const second = checks.of('b', open, checkOf);
    expect(second).not.toBe(first);
    expect(checks.of('a', [...open], again)).toBe(first);
  });

  it('make it anew where anything that it holds for is another, or was forgotten', () => {
    const checks = new RecentChecks();
    const [checkpoints, stages] = [[], {}];
    const first = checks.of('a', [checkpoints, stages], checkOf);
    expect(checks.of('a', [checkpoints, {}], checkOf)).not.toBe(first);
    expect(checks.of('a', [checkpoints, stages], checkOf)).not.toBe(first);
    const last = checks.of('a', [checkpoints, stages], checkOf);
    checks.forget();
    expect(checks.of('a', [checkpoints, stages], checkOf)).not.toBe(last);
  });

  it('keep no failure, and but a few', () => {
    const checks = new RecentChecks();
    const fail = () => {
      throw new Error('no recipe');
    };
    expect(() => checks.of('a', [], fail)).toThrow('no recipe');
    const kept = checks.of('a', [], checkOf);
    for (let n = 0; n < 5; n++) checks.of(`text ${n}`, [], checkOf);
    expect(checks.of('a', [], fail)).toBe(kept);
    for (let n = 5; n < 11; n++) checks.of(`text ${n}`, [], checkOf);
    expect(() => checks.of('a', [], fail)).toThrow();
  });
});
