"""What `benches/compare` is made of: programs, load, measurement, report."""
