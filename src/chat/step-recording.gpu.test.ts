import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import { KernelWatch } from './step-kernels.ts';
import { StepRecording } from './step-recording.ts';
import { testDevice } from './test/gpu-weights.ts';

const COUNT = `@group(0) @binding(0) var<storage, read_write> counter: array<u32>;
@compute @workgroup_size(1) fn add(@builtin(global_invocation_id) id: vec3u) { counter[id.x] = counter[id.x] + id.x + 1u; }
@compute @workgroup_size(1) fn double(@builtin(global_invocation_id) id: vec3u) { counter[id.x] = counter[id.x] * 2u; }`;

describe('a recording of GPU commands', async () => {
  const device = await testDevice();
  afterAll(() => device.destroy());
  const module = device.createShaderModule({ code: COUNT });
  const layout = device.createBindGroupLayout({
    entries: [{ binding: 0, visibility: GPUShaderStage.COMPUTE, buffer: { type: 'storage' } }],
  });
  const pipelineOf = (entryPoint: string) =>
    device.createComputePipeline({
      layout: device.createPipelineLayout({ bindGroupLayouts: [layout] }),
      compute: { module, entryPoint },
    });
  const add = pipelineOf('add');
  const double = pipelineOf('double');
  const { STORAGE, COPY_SRC, COPY_DST, INDIRECT, MAP_READ } = GPUBufferUsage;
  const counterOf = () => device.createBuffer({ size: 16, usage: STORAGE | COPY_SRC | COPY_DST });
  const groupOf = (buffer: GPUBuffer) =>
    device.createBindGroup({ layout, entries: [{ binding: 0, resource: { buffer } }] });

  let recorded: GPUBuffer;
  let other: GPUBuffer;
  beforeEach(() => {
    recorded = counterOf();
    other = counterOf();
  });

  const valuesOf = async (buffer: GPUBuffer) => {
    const staging = device.createBuffer({ size: 16, usage: MAP_READ | COPY_DST });
    const encoder = device.createCommandEncoder({ label: 'read' });
    encoder.copyBufferToBuffer(buffer, 0, staging, 0, 16);
    device.queue.submit([encoder.finish()]);
    await staging.mapAsync(GPUMapMode.READ);
    return [...new Uint32Array(staging.getMappedRange())];
  };

  /** As onnxruntime does: encoders without a label. */
  const submitted = (commands: (encoder: GPUCommandEncoder) => void, label = '') => {
    const encoder = device.createCommandEncoder(label === '' ? undefined : { label });
    commands(encoder);
    device.queue.submit([encoder.finish()]);
  };
  const dispatched =
    (buffer: GPUBuffer, ...pipelines: GPUComputePipeline[]) =>
    (encoder: GPUCommandEncoder) => {
      const pass = encoder.beginComputePass();
      pass.setBindGroup(0, groupOf(buffer));
      for (const pipeline of pipelines) {
        pass.setPipeline(pipeline);
        pass.dispatchWorkgroups(4);
      }
      pass.end();
    };

  it('does again in one submission what was done in several, in order', async () => {
    const recording = await StepRecording.of(device, async () => {
      submitted(dispatched(recorded, add, double));
      submitted(dispatched(recorded, add));
    });
    expect(await valuesOf(recorded)).toEqual([3, 6, 9, 12]);
    recording?.submit({});
    expect(await valuesOf(recorded)).toEqual([9, 18, 27, 36]);
  });

  it('takes down dispatches whose size stands in a buffer', async () => {
    const size = device.createBuffer({ size: 16, usage: INDIRECT | COPY_DST });
    device.queue.writeBuffer(size, 4, Uint32Array.of(2, 1, 1));
    const recording = await StepRecording.of(device, async () => {
      submitted((encoder) => {
        const pass = encoder.beginComputePass();
        pass.setPipeline(add);
        pass.setBindGroup(0, groupOf(recorded));
        pass.dispatchWorkgroupsIndirect(size, 4);
        pass.end();
      });
    });
    device.queue.writeBuffer(size, 4, Uint32Array.of(3, 1, 1));
    recording?.submit({});
    expect(await valuesOf(recorded)).toEqual([2, 4, 3, 0]);
  });

  it('leaves alone what merging does meanwhile, whose encoders have labels', async () => {
    const recording = await StepRecording.of(device, async () => {
      submitted(dispatched(other, add), 'merge');
      submitted(dispatched(recorded, add));
      await Promise.resolve();
      submitted(dispatched(other, add), 'merge');
    });
    recording?.submit({});
    expect(await valuesOf(other)).toEqual([2, 4, 6, 8]);
    expect(await valuesOf(recorded)).toEqual([2, 4, 6, 8]);
  });

  it.each([
    ['a copy', (encoder: GPUCommandEncoder) => encoder.copyBufferToBuffer(other, 0, recorded, 0, 16)],
    ['a buffer that is cleared', (encoder: GPUCommandEncoder) => encoder.clearBuffer(recorded)],
    ['nothing at all', () => undefined],
  ])('is refused for %s', async (_, commands) => {
    expect(await StepRecording.of(device, async () => submitted(commands))).toBeNull();
  });

  it('runs others in the place of what was recorded, with sizes that follow from the token', async () => {
    const recording = await StepRecording.of(device, async () => {
      submitted(dispatched(recorded, add, double, add));
    });
    expect(await valuesOf(recorded)).toEqual([3, 6, 9, 12]);
    const own = { pipeline: add, groups: [groupOf(other)], size: ({ lanes = 0 }) => [lanes, 1, 1] as const };
    const changed = recording?.with([
      { first: 2, count: 1, dispatches: [] },
      { first: 0, count: 1, dispatches: [own, own] },
    ]);
    changed?.submit({ lanes: 3 });
    expect(await valuesOf(other)).toEqual([2, 4, 6, 0]);
    expect(await valuesOf(recorded)).toEqual([6, 12, 18, 24]);
    changed?.submit({ lanes: 1 });
    expect(await valuesOf(other)).toEqual([4, 4, 6, 0]);
    // The one that it was made of is as it was.
    recording?.submit({});
    expect(await valuesOf(recorded)).toEqual([27, 54, 81, 108]);
  });

  it.each([
    [
      'meet',
      [
        { first: 0, count: 2 },
        { first: 1, count: 1 },
      ],
    ],
    ['reach outside', [{ first: 2, count: 2 }]],
    ['leave nothing out', [{ first: 1, count: 0 }]],
  ])('refuses replacements that %s', async (_, places) => {
    const recording = await StepRecording.of(device, async () => submitted(dispatched(recorded, add, double, add)));
    expect(() => recording?.with(places.map((place) => ({ ...place, dispatches: [] })))).toThrow(RangeError);
  });

  it('knows what dispatches compute with, where both pipeline and bindings were seen', async () => {
    const watch = KernelWatch.on(device);
    const unseen = await StepRecording.of(device, async () => submitted(dispatched(recorded, add)));
    expect(unseen?.recorded.map(({ kernel }) => kernel)).toEqual([null]);
    const stop = watch.watchBindings();
    const seen = device.createComputePipeline({
      layout: device.createPipelineLayout({ bindGroupLayouts: [layout] }),
      compute: { module: device.createShaderModule({ label: 'counting', code: COUNT }), entryPoint: 'add' },
    });
    const recording = await StepRecording.of(device, async () => submitted(dispatched(recorded, seen, add)));
    stop();
    stop();
    const [first, second] = recording?.recorded ?? [];
    expect(first?.kernel).toEqual({
      name: 'counting',
      code: COUNT,
      bindings: new Map([
        ['counter', { buffer: recorded, offset: 0, size: undefined, access: 'read_write', type: 'array<u32>' }],
      ]),
    });
    expect(first?.kernel?.bindings.get('counter')?.buffer).toBe(recorded);
    // Compiled before anybody looked.
    expect(second?.kernel).toBeNull();
    const after = await StepRecording.of(device, async () => submitted(dispatched(recorded, seen)));
    expect(after?.recorded[0]?.kernel).toBeNull();
  });

  it('takes its hands off the device, also where the run fails', async () => {
    const failed = StepRecording.of(device, () => Promise.reject(new Error('no')));
    await expect(failed).rejects.toThrow('no');
    expect(Object.hasOwn(device, 'createCommandEncoder')).toBe(false);
  });
});
