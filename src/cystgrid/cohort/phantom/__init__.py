"""Digital phantoms: abdomens with known lesions, scanned in T1 and T2 by seven made-up centres."""

from cystgrid.cohort.phantom.acquisition import BiasField
from cystgrid.cohort.phantom.cohort import COLUMNS, write_phantom_cohort
from cystgrid.cohort.phantom.imaging import image_phantom

__all__ = ["COLUMNS", "BiasField", "image_phantom", "write_phantom_cohort"]
