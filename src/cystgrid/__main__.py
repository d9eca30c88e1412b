"""``python -m cystgrid``: the command, by whichever Python has it."""

from cystgrid.cli import main

if __name__ == "__main__":
    main()
