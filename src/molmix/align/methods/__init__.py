"""Alignment methods. Each file is one method and registers by being here: see :class:`._shared.Alignment`.

Importing a method's file is cheap: TRL is imported when a trainer is made.
"""
