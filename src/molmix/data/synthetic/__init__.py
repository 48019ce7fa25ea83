"""The embedded world: a small corpus of molecules and captions of which everything is known.

Molecules are built (:mod:`~molmix.data.synthetic.molecules`), what is true of them is computed
(:mod:`~molmix.data.synthetic.facts`) in a closed vocabulary (:mod:`~molmix.data.synthetic.vocabulary`), what follows
from what is decided in one place (:mod:`~molmix.data.synthetic.logic`), and captions
(:mod:`~molmix.data.synthetic.captions`,
with the English in :mod:`~molmix.data.synthetic.phrases`), the corpus (:mod:`~molmix.data.synthetic.corpus`) and NLI
pairs (:mod:`~molmix.data.synthetic.nli`) are made from that. All of it is fixed by a seed.
"""
