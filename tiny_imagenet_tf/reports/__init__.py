"""What the papers show in figures and tables, made from run directories. Knows no model and trains nothing."""
