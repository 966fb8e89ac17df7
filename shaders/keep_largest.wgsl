// The largest changes of each model stay: see KEEP_LARGEST in src/methods/sparsifier.ts.
fn is_kept(k: u32, i: u32) -> bool {
  return is_top_magnitude(k, magnitude(k, i), i);
}

fn scale(k: u32, i: u32) -> f32 {
  return l1_factor(k, i);
}
