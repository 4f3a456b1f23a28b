"""Options in, lines out."""
