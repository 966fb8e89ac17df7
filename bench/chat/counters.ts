/**
 * Counters: what WebGPU is asked for in this page, whoever asks: dispatches, submits, and bytes that come back from the
 * device. Counted at the calls themselves, so that both engines are counted alike.
 */

/** Counts since the page was loaded. */
export interface Counts {
  readonly dispatches: number;
  readonly submits: number;
  readonly uploads: number;
  readonly readBytes: number;
}

let counts: Counts = { dispatches: 0, submits: 0, uploads: 0, readBytes: 0 };

/** The counts so far. */
export function counted(): Counts {
  return counts;
}

/** Begins to count. To be called once, before any device is opened. */
export function startCounting(): void {
  const add = (part: Partial<Counts>) => {
    counts = {
      dispatches: counts.dispatches + (part.dispatches ?? 0),
      submits: counts.submits + (part.submits ?? 0),
      uploads: counts.uploads + (part.uploads ?? 0),
      readBytes: counts.readBytes + (part.readBytes ?? 0),
    };
  };
  const pass = GPUComputePassEncoder.prototype;
  const { dispatchWorkgroups, dispatchWorkgroupsIndirect } = pass;
  pass.dispatchWorkgroups = function (...sizes) {
    add({ dispatches: 1 });
    return dispatchWorkgroups.apply(this, sizes);
  };
  pass.dispatchWorkgroupsIndirect = function (...place) {
    add({ dispatches: 1 });
    return dispatchWorkgroupsIndirect.apply(this, place);
  };
  const queue = GPUQueue.prototype;
  const { submit, writeBuffer } = queue;
  queue.submit = function (buffers) {
    add({ submits: 1 });
    return submit.call(this, buffers);
  };
  queue.writeBuffer = function (...what: Parameters<GPUQueue['writeBuffer']>) {
    add({ uploads: 1 });
    return writeBuffer.apply(this, what);
  };
  const buffer = GPUBuffer.prototype;
  const { mapAsync } = buffer;
  buffer.mapAsync = function (this: GPUBuffer, mode, offset = 0, size = this.size - offset) {
    if (mode === GPUMapMode.READ) add({ readBytes: size });
    return mapAsync.call(this, mode, offset, size);
  };
}
