"""Floor 2: from scores to accuracies, ensembles and predictions."""
