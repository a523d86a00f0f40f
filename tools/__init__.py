"""Programs of the repository's own: what keeps its pages in step with the code."""
