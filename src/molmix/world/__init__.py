"""The embedded world: a small corpus of molecules and captions of which everything is known.

Molecules are built (:mod:`~molmix.world.molecules`), what is true of them is computed
(:mod:`~molmix.world.facts`) in a closed vocabulary (:mod:`~molmix.world.vocabulary`), what follows from
what is decided in one place (:mod:`~molmix.world.logic`), and captions (:mod:`~molmix.world.captions`,
with the English in :mod:`~molmix.world.phrases`), the corpus (:mod:`~molmix.world.corpus`) and NLI pairs
(:mod:`~molmix.world.nli`) are made from that. All of it is fixed by a seed.
"""
