"""Alignment methods. Each file in this folder is one method, registered automatically: see :class:`._shared.Alignment`.

Importing the file of a method is fast, because TRL is imported only when a trainer is created.
"""
