"""Parts of the page, a module a subject."""
