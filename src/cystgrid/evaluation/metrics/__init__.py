"""Scores of one set of patients, on scikit-learn; what is undefined is NaN, never a guess."""
