// Breadcrumbs: neither the smallest changes nor the outliers. keep_middle.wgsl and task_vectors.wgsl hold the rest.
fn merge(i: u32) -> f32 {
  return summed(i);
}
