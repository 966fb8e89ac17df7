/**
 * Stage: the result of one recipe as a model of another, without a file between them: a checkpoint whose tensors are
 * computed as they are read. The place that computes is the engine's; here is only what it must do.
 */

import type { Bytes } from '../bytes/bytes.ts';
import type { Checkpoint, TensorEntry } from '../formats/checkpoint.ts';
import { elementBytes } from '../formats/dtype.ts';
import type { BlendTensor, Lineup } from './lineup.ts';
import { sideFilesOf } from './output-files.ts';

/** Merges parts of one lineup's tensors on demand. */
export interface StageReader {
  /**
   * The merged bytes [start, end) of a tensor of the lineup, in the dtype `tensor.out`, the same however they are cut.
   * Both positions are multiples of an element. Ranges of one tensor are mostly asked for in order.
   */
  read(tensor: BlendTensor, start: number, end: number): Promise<Uint8Array<ArrayBuffer>>;
}

/** Makes the reader of a stage; called when it is first read. */
export type OpenStage = (lineup: Lineup) => StageReader;

/** The result of `lineup` as a checkpoint called `name`. Nothing is read or computed before its tensors are read. */
export function stageCheckpoint(name: string, lineup: Lineup, open: OpenStage): Checkpoint {
  let reader: StageReader | null = null;
  const read: StageReader['read'] = (tensor, start, end) => {
    reader ??= open(lineup);
    return reader.read(tensor, start, end);
  };
  const merged = new Map(lineup.tensors.map((tensor) => [tensor.name, mergedEntry(name, tensor, read)]));
  const copied = new Map(lineup.copied.map((own) => [own.name, { ...own.entry, name: own.name }]));
  const tensors = new Map<string, TensorEntry>();
  for (const tensor of lineup.order) {
    const entry = merged.get(tensor) ?? copied.get(tensor);
    if (entry) tensors.set(tensor, entry);
  }
  const { texts, binaries } = sideFilesOf(lineup);
  const config = texts.get('config.json');
  return {
    name,
    tensors,
    config: config === undefined ? null : (JSON.parse(config) as Checkpoint['config']),
    sideFiles: texts,
    binarySideFiles: binaries,
    totalBytes: [...tensors.values()].reduce((sum, { start, end }) => sum + end - start, 0),
    weightFiles: [],
  };
}

function mergedEntry(stage: string, tensor: BlendTensor, read: StageReader['read']): TensorEntry {
  const size = tensor.elements * elementBytes(tensor.out);
  const file: Bytes = {
    name: `${stage}: ${tensor.name}`,
    size,
    slice: (start, end) => read(tensor, start, end),
  };
  return {
    name: tensor.name,
    dtype: tensor.out,
    shape: tensor.shape,
    elements: tensor.elements,
    file,
    start: 0,
    end: size,
  };
}
