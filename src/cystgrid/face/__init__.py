"""The stages as a notebook calls them: the same functions, whose results show themselves."""
