import { afterAll, describe, expect, it } from 'vitest';
import { DeviceFault } from '../bytes/fault.ts';
import type { LiveForm } from '../formats/block-quantised.ts';
import { type Architecture, describeArchitecture, requiredTensors } from './architecture.ts';
import { chunkTokens, findPaths, pathsOn, selfCheck } from './self-check.ts';
import { relativeForms, relativeOf, relativeWeights } from './self-check-model.ts';
import { Session } from './session.ts';
import { CapturedStep } from './session-step.ts';
import { testDevice } from './test/gpu-weights.ts';
import { randomWeights, TINY_FAMILIES, TINY_MODELS, type TinyModel } from './test/tiny-models.ts';

const NONE: ReadonlyMap<string, LiveForm> = new Map();

/** A model of a family, with heads as real ones have them. */
function architectureOf(title: string): Architecture {
  const model = [...TINY_MODELS, ...TINY_FAMILIES].find((tiny) => tiny.title.startsWith(title)) as TinyModel;
  return describeArchitecture(model.config, randomWeights(model, 1).keys());
}

/** All matrices in blocks; a real model's are wide enough. */
function formsIn(architecture: Architecture, bits: 'q8' | 'q4'): ReadonlyMap<string, LiveForm> {
  return new Map(
    requiredTensors(architecture).flatMap(({ name, role }) => {
      if (role === 'vector') return [];
      return [[name, role === 'linear-transposed' ? (`${bits}-transposed` as const) : bits] as const];
    }),
  );
}

describe('the self-check', async () => {
  const device = await testDevice();
  let anchor: { session: Session; free: () => void } | null = null;
  afterAll(async () => {
    await anchor?.session.dispose();
    anchor?.free();
    device.destroy();
  });

  it('finds captured steps and long runs right, once per device, and leaves nothing there', async () => {
    const architecture = architectureOf('qwen2, grouped');
    let [opened, live] = [0, 0];
    const count: typeof Session.open = (...args) => {
      opened++;
      return Session.open(...args);
    };
    const create = device.createBuffer;
    device.createBuffer = (descriptor) => {
      const buffer = create.call(device, descriptor);
      const destroy = buffer.destroy.bind(buffer);
      live++;
      buffer.destroy = () => {
        live--;
        return destroy();
      };
      return buffer;
    };
    const started = performance.now();
    const first = selfCheck(device, architecture, NONE, count);
    const second = selfCheck(device, { ...architecture }, NONE, count);
    expect(await first).toEqual({ chunkTokens: chunkTokens(device), fuses: true, captureObstacle: null, reason: '' });
    console.info(`self-check of qwen2: ${Math.round(performance.now() - started)} ms`);
    // What is known of this device without a check is what the check finds.
    expect(device.adapterInfo.architecture).toBe('swiftshader');
    expect(await pathsOn(device, architecture, NONE, count)).toEqual(await first);
    expect(await second).toBe(await first);
    expect(opened).toBe(2);
    expect(live).toBe(0);
    device.createBuffer = create;
    // From here on kernels are compiled once for all tests: as long as one session is open, others find them.
    const { gpu, free } = relativeWeights(relativeOf(architecture), NONE, device);
    anchor = { session: await Session.open(relativeOf(architecture), gpu, { logits: 'last' }), free };
  });

  it.each([
    ['qwen2, grouped', 'q8'],
    ['gemma2', null],
  ] as const)('accepts %s with matrices in %s', async (title, bits) => {
    const architecture = architectureOf(title);
    const forms = bits === null ? NONE : formsIn(architecture, bits);
    const relative = relativeOf(architecture);
    expect(relativeForms(relative, forms).size > 0).toBe(bits !== null);
    const paths = await selfCheck(device, architecture, forms, Session.open);
    expect(paths).toEqual({ chunkTokens: chunkTokens(device), fuses: true, captureObstacle: null, reason: '' });
  });

  it('catches attention that is wrong on small subgroups, and reads in short pieces there', async () => {
    const other = await testDevice(['subgroups']);
    // Only an adapter that has them, and small, can show it; elsewhere long runs are right.
    const isSmall = other.features.has('subgroups') && other.adapterInfo.subgroupMinSize < 8;
    expect(chunkTokens(other)).toBe(isSmall ? 31 : 512);
    const relative = relativeOf(architectureOf('qwen2, grouped'));
    const paths = await findPaths(other, relative, NONE, Session.open, 256);
    expect(paths.chunkTokens).toBe(isSmall ? 31 : 256);
    expect(paths.reason).toMatch(isSmall ? /in pieces of 31 tokens/ : /^$/);
    other.destroy();
  });

  it('gives capture up where replayed steps give other numbers, and where they cannot be recorded', async () => {
    const relative = relativeOf(architectureOf('qwen2, grouped'));
    const run = CapturedStep.prototype.run;
    // As where a copy is not replayed: every position is the first one again.
    CapturedStep.prototype.run = function (numbers) {
      return run.call(this, { ...numbers, input_ids: 1 });
    };
    const stale = await findPaths(device, relative, NONE, Session.open);
    expect(stale.captureObstacle).toMatch(/gave other numbers/);
    expect(stale.chunkTokens).toBe(chunkTokens(device));
    CapturedStep.prototype.run = () => Promise.reject(new Error('no capture here'));
    const refused = await findPaths(device, relative, NONE, Session.open);
    CapturedStep.prototype.run = run;
    expect(refused.captureObstacle).toMatch(/could not be recorded here \(no capture here\)/);
  });

  it('refuses a device on which nothing is right', async () => {
    const relative = relativeOf(architectureOf('qwen2, grouped'));
    const forms = relativeForms(relative, formsIn(relative, 'q4'));
    const broken: typeof Session.open = async (...args) => {
      const session = await Session.open(...args);
      if (args[1].kind === 'cpu') return session;
      const run = session.run.bind(session);
      session.run = async (...given) => (await run(...given)).map((logit) => logit * 1.01);
      return session;
    };
    const wrong = findPaths(device, relative, forms, broken);
    await expect(wrong).rejects.toBeInstanceOf(DeviceFault);
    await expect(wrong).rejects.toThrow(
      /check of a qwen2 model \(70 tokens after 0 came out wrong.*8 bits instead of 4 bits/,
    );
  });
});
