/**
 * Dtype: the element types that safetensors names, their sizes, and which of them Fusewright blends. Not the
 * arithmetic: decoding and rounding live in `codec.ts` (CPU) and `shaders/prelude.wgsl` (GPU).
 */

/** Bits per element of every dtype in the safetensors format. */
export const DTYPE_BITS = {
  BOOL: 8,
  U8: 8,
  I8: 8,
  F8_E5M2: 8,
  F8_E4M3: 8,
  F8_E8M0: 8,
  F4: 4,
  F6_E2M3: 6,
  F6_E3M2: 6,
  I16: 16,
  U16: 16,
  F16: 16,
  BF16: 16,
  I32: 32,
  U32: 32,
  F32: 32,
  C64: 64,
  F64: 64,
  I64: 64,
  U64: 64,
} as const;

/** A safetensors element type. */
export type Dtype = keyof typeof DTYPE_BITS;

/** The dtypes that kernels read and write. Everything else is listed and copied, never blended. */
export const BLENDED_DTYPES = ['F32', 'F16', 'BF16'] as const;

/** A dtype that kernels read and write. */
export type BlendedDtype = (typeof BLENDED_DTYPES)[number];

/** True for a dtype that kernels read and write. */
export function isBlended(dtype: Dtype): dtype is BlendedDtype {
  return (BLENDED_DTYPES as readonly string[]).includes(dtype);
}

/** Bytes per element of a blended dtype. */
export function elementBytes(dtype: BlendedDtype): number {
  return DTYPE_BITS[dtype] / 8;
}

/** mergekit's and PyTorch's names of the blended dtypes, as they stand in recipes and in config.json. */
export const TORCH_NAMES: Readonly<Record<BlendedDtype, string>> = {
  F32: 'float32',
  F16: 'float16',
  BF16: 'bfloat16',
};
