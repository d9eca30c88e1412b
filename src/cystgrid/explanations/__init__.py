"""A network and its inputs -> how much each place counted, to be checked and brought back."""
