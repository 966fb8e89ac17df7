/** Checkpoint summary: what the page shows of an open checkpoint, and why one cannot be talked to. */

import { Fault } from '../bytes/fault.ts';
import { describeArchitecture } from '../chat/architecture.ts';
import type { Checkpoint } from '../formats/checkpoint.ts';
import { layerCountOf } from '../recipe/resolve.ts';
import { hasTokenizer, noTokenizer } from './chat-model.ts';
import type { CheckpointSummary } from './engine-api.ts';

/** Why a checkpoint cannot be talked to, as one sentence; null where it can. */
export function chatObstacle(checkpoint: Checkpoint): string | null {
  try {
    describeArchitecture(checkpoint.config, checkpoint.tensors.keys());
  } catch (error) {
    if (error instanceof Fault) return error.message;
    throw error;
  }
  return hasTokenizer(checkpoint) ? null : noTokenizer(checkpoint.name);
}

/** Facts about an open checkpoint. */
export function summarise(checkpoint: Checkpoint): CheckpointSummary {
  const dtypes = new Map<CheckpointSummary['dtypes'][number]['dtype'], number>();
  let elements = 0;
  for (const tensor of checkpoint.tensors.values()) {
    dtypes.set(tensor.dtype, (dtypes.get(tensor.dtype) ?? 0) + 1);
    elements += tensor.elements;
  }
  const modelType = checkpoint.config?.model_type;
  const tokenizerConfig = checkpoint.sideFiles.get('tokenizer_config.json') ?? '';
  return {
    name: checkpoint.name,
    weightFiles: checkpoint.weightFiles,
    tensorCount: checkpoint.tensors.size,
    elements,
    totalBytes: checkpoint.totalBytes,
    dtypes: [...dtypes].sort((a, b) => b[1] - a[1]).map(([dtype, tensors]) => ({ dtype, tensors })),
    layers: layerCountOf(checkpoint.tensors.keys()),
    modelType: typeof modelType === 'string' ? modelType : null,
    hasTokenizer: hasTokenizer(checkpoint),
    hasChatTemplate: checkpoint.sideFiles.has('chat_template.jinja') || /"chat_template"\s*:/.test(tokenizerConfig),
    chatObstacle: chatObstacle(checkpoint),
  };
}
