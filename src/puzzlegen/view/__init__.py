"""Pictures for people: exported clips, clips side by side, contact sheets, and curves of training runs."""
