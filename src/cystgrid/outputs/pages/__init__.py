"""What every HTML file that cystgrid writes shares: its style, its policy, its theme."""
