import { expect, it } from 'vitest';
import { Engine } from './engine.ts';
import { fixture, sibling, STORIES } from './test/family.ts';
import { far, say } from './test/speaking.ts';
it('leak', { timeout: 500_000 }, async () => {
  const buffers = new Map<GPUBuffer, string>();
  const requestAdapter = async (options?: GPURequestAdapterOptions) => {
    const adapter = await navigator.gpu.requestAdapter(options);
    if (!adapter) return null;
    return new Proxy(adapter, {
      get(target, key) {
        if (key === 'requestDevice')
          return async (d?: GPUDeviceDescriptor) => {
            const device = await target.requestDevice(d);
            const createBuffer = device.createBuffer.bind(device);
            device.createBuffer = (descriptor) => {
              const buffer = createBuffer(descriptor);
              buffers.set(
                buffer,
                `${descriptor.label ?? ''} ${descriptor.size} u${descriptor.usage} ${(new Error().stack ?? '')
                  .split('\n')
                  .slice(2, 6)
                  .map((l) => l.replace(/.*\//, ''))
                  .join(' < ')}`,
              );
              const destroy = buffer.destroy.bind(buffer);
              buffer.destroy = () => {
                buffers.delete(buffer);
                destroy();
              };
              return buffer;
            };
            return device;
          };
        const value: unknown = Reflect.get(target, key, target);
        return typeof value === 'function' ? value.bind(target) : value;
      },
    });
  };
  const engine = new Engine({ gpu: { requestAdapter } as unknown as GPU, startKernelWorkers: () => [] });
  await engine.start();
  await engine.add(await fixture(STORIES));
  await engine.add(await sibling(STORIES, 'left', 1));
  await engine.setBudget(4 * 2 ** 20);
  const talk = async (n: number) => {
    await say(engine, { kind: 'recipe', label: 'x', text: far(n) }, 'Once upon a time', 3);
  };
  const snap = () => { const m = new Map<string, number>(); for (const what of buffers.values()) m.set(what, (m.get(what) ?? 0) + 1); return m; };
  const snaps: Map<string, number>[] = [];
  for (let n = 0; n < 6; n++) { await talk(n); snaps.push(snap()); }
  for (const [a, b] of [[1, 3], [3, 5]] as const) {
    const keys = new Set([...(snaps[a]?.keys() ?? []), ...(snaps[b]?.keys() ?? [])]);
    for (const key of keys) { const [x, y] = [snaps[a]?.get(key) ?? 0, snaps[b]?.get(key) ?? 0]; if (x !== y) console.log(a, b, y - x, key); }
  }
  expect(1).toBe(1);
});
