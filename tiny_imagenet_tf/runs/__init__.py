"""What is kept of a run: its directory, file names and formats, transfer values, and the records in ``results/``."""
