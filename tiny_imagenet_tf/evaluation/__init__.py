"""From scores to accuracies, ensembles and predictions."""
