/** Large model: a checkpoint of many tensors and no sense, whose measuring and merging takes seconds. */

import { randomFillSync } from 'node:crypto';
import { mkdir, open, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

const LAYERS = 36;
const HIDDEN = 256;
const SHAPES: Readonly<Record<string, readonly number[]>> = {
  'input_layernorm.weight': [HIDDEN],
  'mlp.down_proj.weight': [HIDDEN, 3 * HIDDEN],
  'mlp.gate_proj.weight': [3 * HIDDEN, HIDDEN],
  'mlp.up_proj.weight': [3 * HIDDEN, HIDDEN],
  'post_attention_layernorm.weight': [HIDDEN],
  'self_attn.k_proj.weight': [HIDDEN, HIDDEN],
  'self_attn.o_proj.weight': [HIDDEN, HIDDEN],
  'self_attn.q_proj.weight': [HIDDEN, HIDDEN],
  'self_attn.v_proj.weight': [HIDDEN, HIDDEN],
};

/** Writes a BF16 model of 324 tensors and 61 MB to a folder. */
export async function writeLargeModel(folder: string): Promise<void> {
  const shapes = Array.from({ length: LAYERS }, (_, layer) =>
    Object.entries(SHAPES).map(([name, shape]) => [`model.layers.${layer}.${name}`, shape] as const),
  ).flat();
  let end = 0;
  const entries = shapes.map(([name, shape]) => {
    const start = end;
    end += shape.reduce((product, n) => product * n, 2);
    return [name, { dtype: 'BF16', shape, data_offsets: [start, end] }];
  });
  const text = Buffer.from(JSON.stringify(Object.fromEntries(entries)));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  // Numbers of either sign between 0.5 and 2, other ones in every model.
  const values = randomFillSync(new Uint16Array(end / 2)).map((bits) => 0x3f00 | (bits & 0x80ff));
  await mkdir(folder, { recursive: true });
  const file = await open(join(folder, 'model.safetensors'), 'w');
  await file.write(Buffer.concat([length, text, Buffer.from(values.buffer)]));
  await file.close();
  await writeFile(join(folder, 'config.json'), JSON.stringify({ model_type: 'llama', torch_dtype: 'bfloat16' }));
}
