"""Results as DICOM objects that belong to the study they were made of; no source is changed."""
