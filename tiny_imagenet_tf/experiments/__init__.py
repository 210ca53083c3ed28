"""What all runs share: options, images, measuring, fitting, checkpoints, the summary."""
