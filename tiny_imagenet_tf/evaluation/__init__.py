"""Floor 3: from scores to accuracies, ensembles and predictions."""
