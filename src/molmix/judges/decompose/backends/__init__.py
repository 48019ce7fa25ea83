"""Decomposers, one file per backend. Files with a leading underscore hold shared code."""
