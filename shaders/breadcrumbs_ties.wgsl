// Breadcrumbs with the elected sign of TIES. keep_middle.wgsl and task_vectors.wgsl hold the rest.
fn merge(i: u32) -> f32 {
  return elected(i);
}
