"""Natural language inference on pairs of atoms: the model, its training, its cache, and the matrices of all pairs.

``model`` and ``training`` need torch and are imported only for forward passes. All other modules import quickly.
"""
