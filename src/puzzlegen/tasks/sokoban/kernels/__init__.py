"""Compiled Sokoban: the searches and the draw of `solver`, `board`, `matching` and `rooms`, with equal results.

A cell is its index among the inner cells of the grid in reading order, so both engines see cells in the same order. A
layout of boxes is one 64-bit word, a byte a box, ascending. A set of cells is an array of 64-bit words, one up to 8 x 8
inner cells. Only `compiled` imports this package: it loads numpy and numba.
"""
