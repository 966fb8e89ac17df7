// TIES: the largest changes, then the elected sign. keep_largest.wgsl and task_vectors.wgsl hold the rest.
fn merge(i: u32) -> f32 {
  return elected(i);
}
