/** Checkpoint summary: what the page shows of an open checkpoint, and why one cannot be talked to. */

import { Fault } from '../bytes/fault.ts';
import { describeArchitecture, requiredTensors } from '../chat/architecture.ts';
import { ChatTemplate } from '../chat/template.ts';
import { misfitOf } from '../chat/weights.ts';
import type { Checkpoint } from '../formats/checkpoint.ts';
import { unmergeable } from '../merge/check.ts';
import { layerCountOf } from '../recipe/resolve.ts';
import { brokenTokenizer, canTokenize, noTokenizer } from './chat-model.ts';
import type { CheckpointSummary } from './engine-api.ts';

function filesOf({ sideFiles, binarySideFiles }: Checkpoint) {
  return { sideFiles, binarySideFiles };
}

/** One that does not parse is one all the same: talking says what is wrong with it. */
function hasChatTemplate({ sideFiles }: Checkpoint): boolean {
  try {
    return ChatTemplate.read(sideFiles) !== null;
  } catch (error) {
    if (error instanceof Fault) return true;
    throw error;
  }
}

/** Why a checkpoint cannot be talked to, as one sentence; null where it can. */
export function chatObstacle(checkpoint: Checkpoint): string | null {
  try {
    // What cannot be merged, such as packed codes, is not said to be.
    const obstacle = unmergeable(checkpoint);
    if (obstacle) return obstacle.message;
    const architecture = describeArchitecture(checkpoint.config, checkpoint.tensors.keys());
    for (const { name, shape } of requiredTensors(architecture)) {
      const misfit = misfitOf(name, checkpoint.tensors.get(name)?.shape ?? [], shape);
      if (misfit !== null) return `This model can be merged and saved, but not chatted with: ${misfit}`;
    }
  } catch (error) {
    if (error instanceof Fault) return error.message;
    throw error;
  }
  const broken = brokenTokenizer(checkpoint);
  if (broken !== null) return broken;
  return canTokenize(filesOf(checkpoint)) ? null : noTokenizer(checkpoint.name);
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
  return {
    name: checkpoint.name,
    weightFiles: checkpoint.weightFiles,
    tensorCount: checkpoint.tensors.size,
    elements,
    totalBytes: checkpoint.totalBytes,
    dtypes: [...dtypes].sort((a, b) => b[1] - a[1]).map(([dtype, tensors]) => ({ dtype, tensors })),
    layers: layerCountOf(checkpoint.tensors.keys()),
    modelType: typeof modelType === 'string' ? modelType : null,
    hasTokenizer: canTokenize(filesOf(checkpoint)),
    hasChatTemplate: hasChatTemplate(checkpoint),
    chatObstacle: chatObstacle(checkpoint),
  };
}
