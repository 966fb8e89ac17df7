/**
 * Oracle: merging in float64, written from the formulas alone. It shares no code with the product, its readers and
 * roundings included, so that a mistake there cannot hide here. Not fast, and not strict about its input.
 */

export interface OracleTensor {
  readonly shape: readonly number[];
  readonly dtype: string;
  readonly values: Float64Array;
}

export type OracleModel = ReadonlyMap<string, OracleTensor>;

function half(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  if (exponent === 31) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY;
  return sign * (exponent === 0 ? fraction * 2 ** -24 : (1 + fraction / 1024) * 2 ** (exponent - 15));
}

function brain(bits: number): number {
  const view = new DataView(new ArrayBuffer(4));
  view.setUint32(0, bits * 65536);
  return view.getFloat32(0);
}

/** Every tensor of a .safetensors file's bytes. */
export function parseModel(data: Uint8Array): Map<string, OracleTensor> {
  const model = new Map<string, OracleTensor>();
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const headerBytes = Number(view.getBigUint64(0, true));
  const header: Record<string, { dtype: string; shape: number[]; data_offsets: [number, number] }> = JSON.parse(
    new TextDecoder().decode(data.subarray(8, 8 + headerBytes)),
  );
  for (const [name, { dtype, shape, data_offsets: offsets }] of Object.entries(header)) {
    if (name === '__metadata__') continue;
    const start = 8 + headerBytes + offsets[0];
    const values = Float64Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => {
      if (dtype === 'F32') return view.getFloat32(start + 4 * i, true);
      const bits = view.getUint16(start + 2 * i, true);
      return dtype === 'F16' ? half(bits) : brain(bits);
    });
    model.set(name, { shape, dtype, values });
  }
  return model;
}

export type Granularity = 'model' | 'layer' | 'module' | 'tensor' | 'row' | 'element';

export interface VarmSettings {
  readonly granularity: Granularity;
  readonly statistic: 'square' | 'abs';
  /** Per model. */
  readonly weight?: readonly number[];
  readonly temperature?: number;
}

/** The part of the model that element `i` of a tensor shares its weights with. */
function unitOf(name: string, tensor: OracleTensor, i: number, granularity: Granularity): string {
  const [, layer, module] = /^model\.layers\.(\d+)\.([^.]+)\./.exec(name) ?? [];
  switch (granularity) {
    case 'model':
      return '';
    case 'layer':
      return layer ?? name;
    case 'module':
      return layer === undefined ? name : `${layer} ${module}`;
    case 'tensor':
      return name;
    case 'row':
      return tensor.shape.length < 2
        ? name
        : `${name} ${Math.floor(i / (tensor.values.length / (tensor.shape[0] ?? 1)))}`;
    case 'element':
      return `${name} ${i}`;
    default:
      return granularity satisfies never;
  }
}

/** The at-th of a list that has it. */
function at<T>(list: ArrayLike<T>, index: number): T {
  if (index < 0 || index >= list.length) throw new RangeError(`${index} of ${list.length}`);
  return list[index] as T;
}

function tensorOf(model: OracleModel, name: string): OracleTensor {
  const tensor = model.get(name);
  if (!tensor) throw new Error(`no ${name}`);
  return tensor;
}

/** VaRM: W_j = e_j / Σ e with e_j = weight_j · mean over the unit of δ_j² (or |δ_j|); result Σ W_j θ_j, or the pivot. */
export function varm(
  base: OracleModel,
  models: readonly OracleModel[],
  settings: VarmSettings,
): Map<string, Float64Array> {
  const { granularity, statistic, temperature } = settings;
  const units = new Map<string, { sums: number[]; count: number }>();
  for (const [name, pivot] of base) {
    const all = models.map((model) => tensorOf(model, name).values);
    pivot.values.forEach((value, i) => {
      const key = unitOf(name, pivot, i, granularity);
      const unit = units.get(key) ?? { sums: models.map(() => 0), count: 0 };
      units.set(key, unit);
      unit.count += 1;
      all.forEach((values, j) => {
        const delta = at(values, i) - value;
        unit.sums[j] = at(unit.sums, j) + (statistic === 'square' ? delta * delta : Math.abs(delta));
      });
    });
  }
  const weights = new Map<string, number[] | null>();
  for (const [key, { sums, count }] of units) {
    const evidence = sums.map((sum, j) => (settings.weight?.[j] ?? 1) * (sum / count));
    const total = evidence.reduce((a, b) => a + b, 0);
    if (total === 0) weights.set(key, null);
    else if (temperature === undefined)
      weights.set(
        key,
        evidence.map((e) => e / total),
      );
    else {
      const mean = total / models.length;
      const powers = evidence.map((e) => Math.exp(e / mean / temperature));
      const whole = powers.reduce((a, b) => a + b, 0);
      weights.set(
        key,
        powers.map((p) => p / whole),
      );
    }
  }
  return mapTensors(base, (name, pivot) => {
    const all = models.map((model) => tensorOf(model, name).values);
    return pivot.values.map((value, i) => {
      const own = weights.get(unitOf(name, pivot, i, granularity));
      return own ? own.reduce((sum, w, j) => sum + w * at(at(all, j), i), 0) : value;
    });
  });
}

/** Σ w_k x_k, divided by Σ w_k where asked. `weightOf` gives model k's weight at a tensor. */
export function linear(
  models: readonly OracleModel[],
  weightOf: (k: number, tensor: string) => number,
  isNormalized: boolean,
): Map<string, Float64Array> {
  return mapTensors(at(models, 0), (name, first) => {
    const total = isNormalized ? models.reduce((sum, _, k) => sum + weightOf(k, name), 0) : 1;
    return first.values.map((_, i) =>
      models.reduce((sum, model, k) => sum + (weightOf(k, name) / total) * at(tensorOf(model, name).values, i), 0),
    );
  });
}

/** base + lambda · Σ w_k (x_k − base), the sum divided by Σ w_k where asked. */
export function taskArithmetic(
  base: OracleModel,
  models: readonly OracleModel[],
  weightOf: (k: number, tensor: string) => number,
  lambda: number,
  isNormalized: boolean,
): Map<string, Float64Array> {
  return mapTensors(base, (name, pivot) => {
    const total = isNormalized ? models.reduce((sum, _, k) => sum + weightOf(k, name), 0) : 1;
    return pivot.values.map((value, i) => {
      const sum = models.reduce(
        (s, model, k) => s + weightOf(k, name) * (at(tensorOf(model, name).values, i) - value),
        0,
      );
      return value + (lambda * sum) / total;
    });
  });
}

function mapTensors(
  model: OracleModel,
  merge: (name: string, tensor: OracleTensor) => Float64Array,
): Map<string, Float64Array> {
  return new Map([...model].map(([name, tensor]) => [name, merge(name, tensor)]));
}

/** Distance between neighbouring numbers of a 16-bit dtype around `value`. */
function spacing(value: number, dtype: string): number {
  const [fractionBits, smallest] = dtype === 'BF16' ? [7, -126] : [10, -14];
  const exponent = value === 0 ? smallest : Math.max(smallest, Math.floor(Math.log2(Math.abs(value))));
  return 2 ** (exponent - fractionBits);
}

/**
 * The largest deviation of a result, in units of what is allowed: 4e-6 of the tensor's root mean square, which is what
 * float32 arithmetic may do, and for 16 bits `roundings` halves of the distance between neighbours.
 */
export function deviation(got: OracleTensor, expected: Float64Array, roundings = 1): number {
  if (got.values.length !== expected.length) return Number.POSITIVE_INFINITY;
  const scale = Math.sqrt(expected.reduce((sum, x) => sum + x * x, 0) / expected.length);
  let worst = 0;
  expected.forEach((want, i) => {
    const rounding = got.dtype === 'F32' ? 0 : (roundings * spacing(want, got.dtype)) / 2;
    const distance = Math.abs(at(got.values, i) - want);
    const off = distance === 0 ? 0 : distance / (4e-6 * scale + rounding);
    worst = Number.isNaN(off) ? Number.POSITIVE_INFINITY : Math.max(worst, off);
  });
  return worst;
}
