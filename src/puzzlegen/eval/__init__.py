"""Other models' videos judged: metrics of a clip, rates with intervals, many samples of one puzzle, tables."""
