"""The task contract as named checks, for pytest (`TaskConformance`) and for `puzzlegen check`."""
