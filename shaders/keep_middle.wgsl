// Neither the smallest changes of a model stay nor its outliers: see KEEP_MIDDLE in src/methods/sparsifier.ts. Slot k
// holds all but the smallest, slot MODELS + k the outliers. Where nobody asked for thresholds every element belongs to
// every slot, so a density of 1 is looked at first.
fn is_kept(k: u32, i: u32) -> bool {
  let size = magnitude(k, i);
  let is_outlier = is_top_magnitude(MODELS + k, size, i);
  return density_of(k) >= 1.0 || (is_top_magnitude(k, size, i) && !is_outlier);
}

fn scale(k: u32, i: u32) -> f32 {
  return l1_factor(k, i);
}
