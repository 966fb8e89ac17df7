// Chance decides which changes stay. Beside it stands `fn keep_probability(k: u32, i: u32) -> f32`.
fn is_kept(k: u32, i: u32) -> bool {
  return random(k, i) < keep_probability(k, i);
}

fn scale(k: u32, i: u32) -> f32 {
  if (param_rescale() == 0.0) {
    return 1.0;
  }
  if (param_rescale_by() == RESCALE_BY_PROBABILITY) {
    return 1.0 / max(keep_probability(k, i), 1.0e-30);
  }
  return l1_factor(k, i);
}
