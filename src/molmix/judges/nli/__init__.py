"""Natural language inference on pairs of atoms: the model, its training, its cache, and the matrices of all pairs.

``model`` and ``training`` need torch and are imported where forward passes are really made; everything else is light.
"""
