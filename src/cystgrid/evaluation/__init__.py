"""predictions.csv -> tables; imports no torch."""
