import { describe, expect, it } from 'vitest';
import { Turns } from './turns.ts';

/** Work that ends when told to, or when it is stopped. */
function held() {
  let release: () => void = () => undefined;
  const gate = new Promise<void>((resolve) => {
    release = resolve;
  });
  const work = (signal: AbortSignal) =>
    Promise.race([
      gate.then(() => 'done'),
      new Promise<string>((_, reject) => signal.addEventListener('abort', () => reject(new Error('aborted')))),
    ]);
  return { work, release };
}

describe('turns', () => {
  it('run one at a time, in order', async () => {
    const turns = new Turns();
    const seen: string[] = [];
    const first = held();
    const a = turns.take('stay', async (signal) => {
      seen.push('a begins');
      await first.work(signal);
      seen.push('a ends');
    });
    const b = turns.take('stay', async () => {
      seen.push('b');
    });
    await Promise.resolve();
    first.release();
    await Promise.all([a, b]);
    expect(seen).toEqual(['a begins', 'a ends', 'b']);
  });

  it('let a newer blend take the place of older ones, and leave a save alone', async () => {
    const turns = new Turns();
    const saving = held();
    const save = turns.take('stay', saving.work);
    const old = turns.take('blend', async () => 'old');
    const newer = turns.take('blend', async () => 'newer');
    const outcome = expect(old).rejects.toMatchObject({ code: 'cancelled' });
    saving.release();
    expect(await save).toBe('done');
    await outcome;
    expect(await newer).toBe('newer');
  });

  it('stop what runs and what waits, and go on afterwards', async () => {
    const turns = new Turns();
    const running = turns.take('stay', held().work);
    const waiting = turns.take('stay', async () => 'never');
    const outcomes = Promise.all([
      expect(running).rejects.toThrow('aborted'),
      expect(waiting).rejects.toMatchObject({ code: 'cancelled' }),
    ]);
    await Promise.resolve();
    await turns.cancel();
    await outcomes;
    expect(await turns.take('blend', async () => 'after')).toBe('after');
  });

  it('tell at once of a stop of what only reads, and begin the next when it has ended', async () => {
    const turns = new Turns();
    const seen: string[] = [];
    let end: () => void = () => undefined;
    const onDevice = new Promise<void>((resolve) => {
      end = resolve;
    });
    const began = new Promise<void>((resolve) => {
      const reading = turns.take('survey', async () => {
        resolve();
        await onDevice;
        seen.push('ended');
      });
      reading.catch(({ code }) => seen.push(code));
    });
    await began;
    turns.take('blend', async () => seen.push('never')).catch(() => seen.push('not begun'));
    await turns.cancel();
    const next = turns.take('blend', async () => seen.push('next'));
    await Promise.resolve();
    expect(seen).toEqual(['cancelled', 'not begun']);
    end();
    await next;
    expect(seen).toEqual(['cancelled', 'not begun', 'ended', 'next']);
  });
});
