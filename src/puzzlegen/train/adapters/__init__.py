"""Models that can be trained, each behind the contract of `puzzlegen.train.policy`."""
