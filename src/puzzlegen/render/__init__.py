"""From trajectories to clips: looks, sprites, motion, and frames to mp4 bytes and back."""
