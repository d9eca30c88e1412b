"""Crop -> k slices in a sqrt(k) x sqrt(k) grid, and back."""
