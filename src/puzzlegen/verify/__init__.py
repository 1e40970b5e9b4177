"""Reads clips back into moves and judges them by the task's own rules. Written once for all grid tasks."""
