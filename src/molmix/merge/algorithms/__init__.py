"""Algorithms that look for the best parameters of a merge. Each is one file in this folder, which registers it.

To add one, add a file with a subclass of :class:`molmix.merge.algorithms._shared.Algorithm`.
"""
