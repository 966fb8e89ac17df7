// DELLA without an election. keep_by_rank, keep_random and task_vectors hold the rest.
fn merge(i: u32) -> f32 {
  return summed(i);
}
