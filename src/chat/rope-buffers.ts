/**
 * RopeBuffers: the tables of cosines and sines of a GPU session, in buffers of our own. Sessions on one device share those
 * of the same rope and length, and the last one that is closed frees them. (What is built into a graph, onnxruntime
 * keeps for as long as any session is open.)
 */

import type { Tensor } from 'onnxruntime-web';
import { BUFFER_USAGE } from '../gpu/buffers.ts';
import type { Architecture } from './architecture.ts';
import type { RopeInput } from './graph.ts';
import { type Rope, tablesOfPositions } from './rope.ts';
import type { Runtime } from './runtime.ts';

/** The tables of one rope. */
interface Held {
  readonly buffers: Readonly<Record<RopeInput['part'], GPUBuffer>>;
  sessions: number;
}

const HELD = new WeakMap<GPUDevice, Map<string, Held>>();

/** What one session has taken. */
export class RopeBuffers {
  readonly #runtime: Runtime;
  readonly #device: GPUDevice;
  readonly #architecture: Architecture;
  readonly #positions: number;
  readonly #taken = new Set<string>();

  /** @param positions how many positions the tables cover. */
  constructor(runtime: Runtime, device: GPUDevice, architecture: Architecture, positions: number) {
    this.#runtime = runtime;
    this.#device = device;
    this.#architecture = architecture;
    this.#positions = positions;
  }

  /** The tensors of these inputs, by name; they are valid until `dispose`. */
  feeds(inputs: readonly RopeInput[]): Record<string, Tensor> {
    return Object.fromEntries(
      inputs.map(({ name, rope: index, part, shape }) => {
        const rope = this.#architecture.ropes[index];
        if (!rope) throw new RangeError(`There is no rope ${index}.`);
        const buffer = this.#take(rope).buffers[part];
        return [name, this.#runtime.Tensor.fromGpuBuffer(buffer, { dataType: 'float32', dims: shape })];
      }),
    );
  }

  /** Gives all of them back. */
  dispose(): void {
    const all = HELD.get(this.#device);
    for (const key of this.#taken) {
      const held = all?.get(key);
      if (!held || --held.sessions > 0) continue;
      all?.delete(key);
      for (const buffer of Object.values(held.buffers)) buffer.destroy();
    }
    this.#taken.clear();
  }

  #take(rope: Rope): Held {
    const hasTwo = this.#architecture.ropeSwitchTokens !== null;
    const key = JSON.stringify([rope, this.#positions, hasTwo]);
    const all = HELD.get(this.#device) ?? new Map<string, Held>();
    HELD.set(this.#device, all);
    let held = all.get(key);
    if (!held) {
      const { cos, sin } = tablesOfPositions(rope, this.#positions, hasTwo);
      held = { buffers: { cos: this.#place(cos), sin: this.#place(sin) }, sessions: 0 };
      all.set(key, held);
    }
    if (!this.#taken.has(key)) held.sessions++;
    this.#taken.add(key);
    return held;
  }

  #place(data: Float32Array<ArrayBuffer>): GPUBuffer {
    const { STORAGE, COPY_SRC, COPY_DST } = BUFFER_USAGE;
    const usage = STORAGE | COPY_SRC | COPY_DST;
    const buffer = this.#device.createBuffer({ label: 'rope', size: data.byteLength, usage, mappedAtCreation: true });
    new Float32Array(buffer.getMappedRange()).set(data);
    buffer.unmap();
    return buffer;
  }
}
