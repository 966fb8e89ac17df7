/**
 * ChatObstacle: why a model cannot be chatted with, as far as its config.json alone says it: what kind of model it is
 * where it is none of the table's, and what no decoder of the table can be. Reasons are clauses that follow "This
 * model can be merged and saved, but not chatted with: ".
 */

import type { ModelConfig } from '../formats/checkpoint.ts';
import { recordOf, shown } from './config-values.ts';

/** Keys that a mixture of experts has, and those of state-space or other recurrent layers. */
const EXPERT_KEYS = [
  'num_local_experts',
  'num_experts',
  'n_routed_experts',
  'moe_intermediate_size',
  'moe_num_experts',
];
const RECURRENT_KEYS = [
  'ssm_cfg',
  'state_size',
  'mamba_d_state',
  'ssm_state_size',
  'time_mix_extra_dim',
  'linear_num_key_heads',
  'lru_width',
];
const RECURRENT_TYPES = /mamba|rwkv|hybrid|jamba|zamba|recurrent|xlstm|griffin|retnet|lfm/;
/** Model types that encode and decode, or only encode. */
const ENCODERS = /t5|bart|pegasus|marian|m2m|nllb|whisper|encoder|bert|electra|deberta|vit\b|clip|wav2vec/;

/** Classes whose head gives scores instead of tokens, whatever the family. */
const SCORING = /For(SequenceClassification|TokenClassification|QuestionAnswering|MultipleChoice)$|RewardModel$/;

/**
 * What speaks against a config whatever its family, or null.
 * @param config parsed config.json.
 */
export function obstacleOf(config: ModelConfig): string | null {
  if (isThere(config['quantization_config'])) {
    return 'its weights are quantised (quantization_config); use the model it was made from';
  }
  const architectures = config['architectures'];
  const [scoring] = Array.isArray(architectures) ? (architectures as unknown[]) : [];
  if (typeof scoring === 'string' && SCORING.test(scoring)) {
    return `it was made to score texts (${shown(scoring)}), not to write them`;
  }
  if (config['is_encoder_decoder'] === true) return 'it is an encoder with a decoder, not a decoder alone';
  const experts = EXPERT_KEYS.find((key) => {
    const value = config[key];
    return typeof value === 'number' && value > 0;
  });
  if (experts !== undefined) return `it is a mixture of experts (${experts}), which chat does not run yet`;
  return null;
}

/**
 * Why a `model_type` that is not in the table cannot be chatted with.
 * @param known the table's model types.
 */
export function unknownFamily(config: ModelConfig, known: readonly string[]): string {
  const modelType = config['model_type'];
  if (typeof modelType !== 'string') {
    const [architecture] = Array.isArray(config['architectures']) ? (config['architectures'] as unknown[]) : [];
    const said = typeof architecture === 'string' ? ` (its architectures name ${shown(architecture)})` : '';
    return `its config.json has no model_type${said}; add one of ${known.join(', ')}`;
  }
  const name = shown(modelType);
  if (/moe|mixtral|dbrx/.test(modelType))
    return `its model_type ${name} is a mixture of experts, which chat does not run yet`;
  if (RECURRENT_TYPES.test(modelType) || RECURRENT_KEYS.some((key) => isThere(config[key]))) {
    return `its model_type ${name} has layers that are not attention (state space or recurrent), which chat does not run`;
  }
  if (ENCODERS.test(modelType)) return `its model_type ${name} is not a decoder that writes text after text`;
  if (recordOf(config['vision_config']) || recordOf(config['audio_config'])) {
    return `its model_type ${name} reads more than text, and chat knows no text part of it`;
  }
  return `its model_type ${name} is not one of ${known.join(', ')}`;
}

function isThere(value: unknown): boolean {
  return value !== undefined && value !== null;
}
