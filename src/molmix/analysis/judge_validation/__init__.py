"""Validation of judges on captions with planted errors.

:mod:`~molmix.analysis.judge_validation.planting` makes the captions from references.
:mod:`~molmix.analysis.judge_validation.sensitivity` measures how well each score distinguishes them from their
references, and writes tables; :mod:`~molmix.report.plots.judges` draws figures.
:mod:`~molmix.analysis.judge_validation.agreement` measures the agreement of two judges.
"""
