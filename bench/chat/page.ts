/** Page: what `bench/chat.mjs` calls in the browser, one step at a time, so that it can measure the process between them. */

import { describeArchitecture } from '../../src/chat/architecture.ts';
import { openDevice } from '../../src/gpu/device.ts';
import { type Counts, counted, startCounting } from './counters.ts';
import type { Engine, Spoken } from './engine.ts';
import { openLive } from './live.ts';
import { openPlain } from './plain.ts';
import { randomIds } from './weights.ts';

type Side = 'live' | 'plain';

startCounting();
const engines = new Map<Side, Engine>();

const bench = {
  /** The adapter's name. */
  async adapter() {
    const { label, isSoftware } = await openDevice(navigator.gpu);
    return { label, isSoftware };
  },
  async open(side: Side, config: Record<string, unknown>, names: string[], precision: 'f32' | 'q8' | 'q4') {
    const start = performance.now();
    const { device } = await openDevice(navigator.gpu);
    const architecture = describeArchitecture(config, names);
    const engine =
      side === 'live'
        ? await openLive(device, architecture, precision, architecture.contextTokens)
        : await openPlain(device, architecture, config, precision);
    engines.set(side, engine);
    return { how: engine.how, openMs: performance.now() - start };
  },
  /** Reads on until the text has so many tokens. */
  async readTo(side: Side, length: number, vocabulary: number): Promise<{ ms: number; tokens: number }> {
    const engine = of(side);
    const ids = randomIds(length - engine.length, vocabulary, length);
    return { ms: await engine.read(ids), tokens: ids.length };
  },
  async speak(side: Side, count: number): Promise<Spoken & { counts: Counts }> {
    const before = counted();
    const spoken = await of(side).speak(count);
    const after = counted();
    const counts = {
      dispatches: after.dispatches - before.dispatches,
      submits: after.submits - before.submits,
      uploads: after.uploads - before.uploads,
      readBytes: after.readBytes - before.readBytes,
    };
    return { ...spoken, counts };
  },
  /** A fixed piece of work, by whose processor time a busy machine shows itself. */
  async calibrate() {
    let x = 1;
    for (let i = 0; i < 30_000_000; i++) x = (Math.imul(x, 31) + i) | 0;
    return x;
  },
  /** Nothing: what a call itself costs. */
  async idle() {
    return null;
  },
  async close(side: Side) {
    await engines.get(side)?.dispose();
    engines.delete(side);
  },
};

function of(side: Side): Engine {
  const engine = engines.get(side);
  if (!engine) throw new Error(`${side} is not open`);
  return engine;
}

export type Bench = typeof bench;

Object.assign(globalThis, { bench });
