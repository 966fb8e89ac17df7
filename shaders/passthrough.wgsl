// Passthrough: the model as it is, bit by bit, unless a factor is set.
fn merge(i: u32) -> f32 {
  if (is_set(scale_of(0u))) {
    return scale_of(0u) * model(0u, i);
  }
  return model(0u, i);
}
