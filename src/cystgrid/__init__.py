"""cystgrid: grading pancreatic cysts from paired T1 and T2 MRI. Research use only."""

__version__ = "0.1.0"
