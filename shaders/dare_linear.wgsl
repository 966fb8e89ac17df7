// DARE: every change stays with the same probability. keep_random.wgsl and task_vectors.wgsl hold the rest.
fn keep_probability(k: u32, i: u32) -> f32 {
  return min(density_of(k), 1.0);
}

fn merge(i: u32) -> f32 {
  return summed(i);
}
