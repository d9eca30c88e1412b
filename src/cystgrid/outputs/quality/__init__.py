"""The quality report: one page, and the same in words, of a cohort or of what was prepared."""
