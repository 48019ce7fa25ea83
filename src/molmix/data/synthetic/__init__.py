"""The embedded world: a small corpus of molecules and captions of which everything is known.

:mod:`~molmix.data.synthetic.molecules` builds molecules, :mod:`~molmix.data.synthetic.facts` computes what is true of
them in the closed vocabulary of :mod:`~molmix.data.synthetic.vocabulary`, and :mod:`~molmix.data.synthetic.logic`
decides what follows from what. Captions (:mod:`~molmix.data.synthetic.captions`; long ones,
:mod:`~molmix.data.synthetic.long`), the corpus (:mod:`~molmix.data.synthetic.corpus`) and NLI pairs
(:mod:`~molmix.data.synthetic.nli`) are made from these. :mod:`~molmix.data.synthetic.weather` is a second world,
without molecules. A seed decides all of it.
"""
