"""Splits + grids + model -> out-of-fold predictions."""
