"""Studies out of an archive (PACS) and results into it, by DICOMweb or by DIMSE."""
