"""Rules of the tasks that ship with puzzlegen: one package each, none knows another."""
