// Slerp: the base and the model by their factors; the angle was taken in float64, from the Gram matrix.
fn merge(i: u32) -> f32 {
  return coefficient(MODELS, i) * base(i) + coefficient(0u, i) * model(0u, i);
}
