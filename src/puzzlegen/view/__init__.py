"""Pictures for people: exported clips and contact sheets."""
