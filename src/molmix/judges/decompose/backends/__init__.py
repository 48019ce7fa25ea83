"""Decomposers, one file a backend. Names with an underscore in front hold what they share."""
