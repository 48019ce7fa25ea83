"""The embedded world: a small synthetic corpus of molecules and captions whose facts are all known.

:mod:`~molmix.data.synthetic.molecules` builds molecules. :mod:`~molmix.data.synthetic.facts` computes their true facts
in the closed vocabulary of :mod:`~molmix.data.synthetic.vocabulary`. :mod:`~molmix.data.synthetic.logic` decides
entailment and contradiction. From these come captions (:mod:`~molmix.data.synthetic.captions`; long ones:
:mod:`~molmix.data.synthetic.long`), the corpus (:mod:`~molmix.data.synthetic.corpus`) and NLI pairs
(:mod:`~molmix.data.synthetic.nli`). :mod:`~molmix.data.synthetic.weather` is a second world, without molecules. The
same seed gives the same world.
"""
