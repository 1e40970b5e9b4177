"""Training of flow-matching video models on puzzlegen's clips; needs puzzlegen[train], and no room below imports it.

Tensors carry their shape as a suffix: B batch, T frames, H and W pixels, C channels; L and D the tokens and width of a
text; latents are BCTHW with their own T, H and W. Noise levels are `sigma`: 1 is noise, 0 is the clip.
"""
