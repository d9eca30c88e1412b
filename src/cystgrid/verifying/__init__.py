"""`cystgrid verify`: every checksum of a folder of ours is checked, and nothing is written."""
