"""Lesions with known truth drawn into real scans, for benchmarks on real tissue."""
