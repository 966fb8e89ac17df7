import { describe, expect, it } from 'vitest';
import { Permits } from './permits.ts';

describe('Permits', () => {
  it('let so many tasks work at once, in the order in which they came, failures included', async () => {
    const permits = new Permits(2);
    const begun: number[] = [];
    let atWork = 0;
    let most = 0;
    const tasks = Array.from({ length: 7 }, (_, n) =>
      permits.with(async () => {
        begun.push(n);
        atWork += 1;
        most = Math.max(most, atWork);
        for (let tick = 0; tick < (n % 3) + 1; tick++) await Promise.resolve();
        atWork -= 1;
        if (n % 2 === 1) throw new Error(`${n}`);
        return n;
      }),
    );
    const settled = await Promise.allSettled(tasks);
    expect(begun).toEqual([0, 1, 2, 3, 4, 5, 6]);
    expect(most).toBe(2);
    expect(settled.map(({ status }) => status === 'fulfilled')).toEqual([true, false, true, false, true, false, true]);
    expect(await permits.with(async () => 'free again')).toBe('free again');
  });
});
