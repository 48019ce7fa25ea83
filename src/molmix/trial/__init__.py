"""How far to trust a judge: captions with planted errors, and what each score makes of them.

:mod:`~molmix.trial.plant` makes the captions, :mod:`~molmix.trial.measure` says how well each score tells them from
the references that they were made of, :mod:`~molmix.trial.table` and :mod:`~molmix.trial.plot` show it, and
:mod:`~molmix.trial.agreement` says how far two judges agree.
"""
