/** Live: our own side: weights in buffers of ours, bound to the graph as they are. */

import type { Architecture } from '../../src/chat/architecture.ts';
import { requiredTensors } from '../../src/chat/architecture.ts';
import { Session } from '../../src/chat/session.ts';
import type { GpuTensor } from '../../src/chat/weights.ts';
import { type Bits, quantiseRows } from '../../src/formats/block-quantised.ts';
import { formOf } from '../../src/chat/weight-forms.ts';
import { Sampler } from '../../src/chat/sampler.ts';
import type { Engine, Spoken } from './engine.ts';
import { randomTensors } from './weights.ts';

const GREEDY = { temperature: 0, topK: 0, topP: 1, minP: 0, repetitionPenalty: 1, seed: 0 } as const;

/** Opens a model of random weights on a device. */
export async function openLive(
  device: GPUDevice,
  architecture: Architecture,
  precision: 'f32' | 'q8' | 'q4',
  capacityTokens: number,
): Promise<Engine> {
  const forms = formOf(requiredTensors(architecture), precision);
  const tensors = new Map<string, GpuTensor>();
  const place = (label: string, data: Float32Array<ArrayBuffer> | Uint8Array<ArrayBuffer>) => {
    const usage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST;
    const buffer = device.createBuffer({ label, size: Math.ceil(data.byteLength / 4) * 4, usage });
    device.queue.writeBuffer(buffer, 0, data);
    return buffer;
  };
  for (const { name, shape, data } of randomTensors(architecture)) {
    const form = forms.get(name) ?? 'f32';
    if (form === 'f32') tensors.set(name, { buffer: place(name, data), shape, form });
    else {
      const { values, scales } = quantiseRows(data, shape[1] ?? 0, Number(precision.slice(1)) as Bits);
      tensors.set(name, { buffer: place(name, values), scales: place(`${name}.scales`, scales), shape, form });
    }
    await device.queue.onSubmittedWorkDone();
  }
  const session = await Session.open(
    architecture,
    { kind: 'gpu', device, tensors },
    { logits: 'last', capacityTokens },
  );
  const cache = session.newCache();
  const sampler = new Sampler();
  const text: number[] = [];
  let draw = 0;

  const advance = async (ids: readonly number[]): Promise<number> => {
    const rows = await session.advance(ids, cache);
    const { token } = await sampler.next(rows, { sampling: GREEDY, draw: draw++, seen: text, alternatives: 0 });
    return token;
  };

  return {
    how: `${session.provider}, ${session.path}: ${session.reason}`,
    get length() {
      return text.length;
    },
    async read(ids) {
      const start = performance.now();
      const unread = text.slice(cache.tokens);
      text.push(...ids);
      text.push(await advance([...unread, ...ids]));
      return performance.now() - start;
    },
    async speak(count): Promise<Spoken> {
      const tokenMs: number[] = [];
      const tokens: number[] = [];
      for (let n = 0; n < count; n++) {
        const start = performance.now();
        const token = await advance(text.slice(cache.tokens));
        tokenMs.push(performance.now() - start);
        tokens.push(token);
        text.push(token);
      }
      return { tokenMs, tokens };
    },
    async dispose() {
      sampler.dispose();
      cache.dispose();
      await session.dispose();
      for (const { buffer, scales } of tensors.values()) {
        buffer.destroy();
        scales?.destroy();
      }
    },
  };
}
