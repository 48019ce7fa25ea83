"""Merge methods. Each file is one method and registers by being here: see :class:`._shared.Merge`.

Importing a method's file is cheap: mergekit is imported when a merge is made (:mod:`molmix.merge.merging`).
"""
