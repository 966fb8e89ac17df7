// DELLA: chance by rank, then the elected sign. keep_by_rank, keep_random and task_vectors hold the rest.
fn merge(i: u32) -> f32 {
  return elected(i);
}
