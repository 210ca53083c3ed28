"""Numbers behind a report: predictions, calibration, comparisons, activations."""
