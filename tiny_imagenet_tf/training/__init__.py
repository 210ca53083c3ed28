"""Training from scratch, resumable and reproducible (Milani section 3, Le & Yang section 5)."""
