"""Figures of a study: one file for each kind of figure, all in one style.

They fit the text width of a paper, and can be read in grey print and by colour-blind readers. A figure that leaves
models out says how many. `style` has the shared settings, and `figures` draws the figures of a study.
"""
