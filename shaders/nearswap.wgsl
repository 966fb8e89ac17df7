// NearSwap: the nearer a parameter is to the base's, the more of it is taken.
fn merge(i: u32) -> f32 {
  let weight = clamp(param_t() / max(abs(delta(0u, i)), 1e-6), 0.0, 1.0);
  return weight * model(0u, i) + (1.0 - weight) * base(i);
}
