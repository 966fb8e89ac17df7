// NuSLERP: the base, if there is one, plus both changes by their factors along the arc.
fn merge(i: u32) -> f32 {
  return base(i) + (coefficient(0u, i) * delta(0u, i) + coefficient(1u, i) * delta(1u, i));
}
