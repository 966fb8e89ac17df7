import { describe, expect, it } from 'vitest';
import { SpareBuffers } from './spare-buffers.ts';

const MIB = 2 ** 20;

describe('spare buffers', () => {
  it('hand out again what was given back, under any length of the same size', () => {
    const spare = new SpareBuffers();
    const first = spare.take(MIB - 4096);
    expect(first.byteLength).toBe(MIB - 4096);
    spare.give(first.buffer);
    expect(spare.idleBytes).toBe(MIB);
    const second = spare.take(MIB);
    expect(second.buffer).toBe(first.buffer);
    expect(second.byteLength).toBe(MIB);
    expect(spare.idleBytes).toBe(0);
  });

  it('never hand the same buffer to two', () => {
    const spare = new SpareBuffers();
    expect(spare.take(MIB).buffer).not.toBe(spare.take(MIB).buffer);
  });

  it('keep a buffer that came back from another thread, and none that was never wanted', () => {
    const spare = new SpareBuffers();
    const taken = spare.take(MIB);
    spare.give(structuredClone(taken, { transfer: [taken.buffer] }).buffer);
    expect(spare.idleBytes).toBe(MIB);
    spare.give(new ArrayBuffer(2 * MIB));
    spare.give(new ArrayBuffer(MIB + 1));
    expect(spare.idleBytes).toBe(MIB);
  });

  it('keep no more than they may', () => {
    const spare = new SpareBuffers(3 * MIB);
    const taken = Array.from({ length: 5 }, () => spare.take(MIB));
    for (const { buffer } of taken) spare.give(buffer);
    expect(spare.idleBytes).toBe(3 * MIB);
    spare.trim();
    expect(spare.idleBytes).toBe(0);
  });

  it('do not keep small ones', () => {
    const spare = new SpareBuffers();
    const small = spare.take(100);
    expect(small.buffer.byteLength).toBe(100);
    spare.give(small.buffer);
    expect(spare.idleBytes).toBe(0);
  });
});
