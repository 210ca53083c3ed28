"""Hyper-parameters of a head, searched on stored transfer values (Milani section 4.2)."""
