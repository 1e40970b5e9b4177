"""From a request to a verified dataset: draft puzzles, settle duplicates, render units, join shards, manifest last."""
