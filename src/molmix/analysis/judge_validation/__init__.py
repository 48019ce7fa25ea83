"""How far to trust a judge: captions with planted errors, and what each score makes of them.

:mod:`~molmix.analysis.judge_validation.planting` makes the captions,
:mod:`~molmix.analysis.judge_validation.sensitivity` says how well each score tells them from
the references that they were made of, :mod:`~molmix.analysis.judge_validation.table` and
:mod:`~molmix.report.plots.judges` show it, and
:mod:`~molmix.analysis.judge_validation.agreement` says how far two judges agree.
"""
