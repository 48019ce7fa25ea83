"""Natural language inference on pairs of atoms: the model, its training, the pair store, and the cross matrices.

``model`` (with ``alone`` and ``deberta``) and ``train`` need torch and are imported where forward passes are really
made; everything else is light.
"""
