"""Figures of a study: one file for each kind of figure, all in one style.

They fit a paper's column, work in grey print and for colour-blind readers. A figure that leaves models out says how
many. `style` holds the shared settings, `figures` draws the figures that a study needs.
"""
