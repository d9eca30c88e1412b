"""The reading page: one study in, a graded answer and its map out, in a browser on this machine."""
