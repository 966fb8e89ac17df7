// Audit: what `sums.wgsl` adds up after a merge: the squares of every source and, last, of the result as it was
// rounded, which lies in `scratch`.

fn visit_element(i: u32) {
  if (HAS_BASE) {
    let origin = base(i);
    add(0u, origin * origin);
  }
  for (var k = 0u; k < MODELS; k++) {
    let value = model(k, i);
    add(select(0u, 1u, HAS_BASE) + k, value * value);
  }
  let merged = merged_element(i);
  add(QUANTITIES - 1u, merged * merged);
}
