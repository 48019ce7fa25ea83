"""Figures of a study, one file each, on one style: for a paper's column, in grey, and for the colour-blind.

`style` holds what all of them share, `run` draws those that a study has something for. Every figure says how many
models it leaves out, if it does.
"""
