/**
 * Sphere: a tensor as one vector in float64, for the methods that blend directions: products, norms, unit vectors,
 * weighted sums. Used by their references, which see whole tensors; their coefficients see Gram matrices only.
 */

/** Σ a b. */
export function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += (a[i] ?? 0) * (b[i] ?? 0);
  return sum;
}

/** The Euclidean norm. */
export function norm(a: Float64Array): number {
  return Math.sqrt(dot(a, a));
}

/** a scaled by a factor, as a new vector. */
export function scaled(a: Float64Array, factor: number): Float64Array {
  return a.map((x) => x * factor);
}

/** a − b. */
export function difference(a: Float64Array, b: Float64Array): Float64Array {
  return a.map((x, i) => x - (b[i] ?? 0));
}

/** Σ weight · vector; of no vectors the empty one. */
export function weightedSum(vectors: readonly Float64Array[], weights: ArrayLike<number>): Float64Array {
  const out = new Float64Array(vectors[0]?.length ?? 0);
  vectors.forEach((vector, k) => {
    for (let i = 0; i < out.length; i++) out[i] = (out[i] ?? 0) + (weights[k] ?? 0) * (vector[i] ?? 0);
  });
  return out;
}

/** What each model changed, model − base; the models themselves where there is no base. */
export function changes(base: Float64Array | null, models: readonly Float64Array[]): Float64Array[] {
  return models.map((model) => (base ? difference(model, base) : Float64Array.from(model)));
}
