"""Parquet shards of clips: columns, atomic writing, manifest, reading with random access. No torch."""
