"""A scan, as the world stores it, read strictly into a ``Volume``."""
