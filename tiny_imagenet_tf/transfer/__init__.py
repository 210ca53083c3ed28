"""A frozen trunk turns images into transfer values, which are stored on disk (Milani section 4)."""
