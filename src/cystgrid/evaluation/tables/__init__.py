"""Tables of an evaluation: CSV with every digit, Markdown and LaTeX as a paper prints them."""
