"""Merge methods. Each file in this folder is one method and registers it: see :class:`._shared.Merge`.

Importing a method's file is cheap: mergekit is imported when a merge is made (:mod:`molmix.merge.merging`).
"""
