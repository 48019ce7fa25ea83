"""Validation of judges on captions with planted errors.

:mod:`~molmix.analysis.judge_validation.planting` makes the captions from references and from captions of systems.
:mod:`~molmix.analysis.judge_validation.sensitivity` measures how well each score distinguishes them from their
originals, and writes tables; :mod:`~molmix.report.plots.judges` draws figures.
:mod:`~molmix.analysis.judge_validation.agreement` measures the agreement of two judges,
:mod:`~molmix.analysis.judge_validation.rankings` how each score orders the systems of a run.
"""
