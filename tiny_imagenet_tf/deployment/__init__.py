"""A trained network in the forms of other runtimes (extra ``[export]``)."""
