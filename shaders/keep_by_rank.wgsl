// DELLA: from density − epsilon for the smallest change of a row to density + epsilon for its largest, evenly by rank.
// The only element of a row lies in the middle.
fn keep_probability(k: u32, i: u32) -> f32 {
  let density = density_of(k);
  let last = row_elements() - 1u;
  let place = select(f32(rank(k, i)) / f32(max(last, 1u)), 0.5, last == 0u);
  let probability = (density - epsilon_of(k)) + 2.0 * epsilon_of(k) * place;
  return select(select(probability, 0.0, density <= 0.0), 1.0, density >= 1.0);
}
