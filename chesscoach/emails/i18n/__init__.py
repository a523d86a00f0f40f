"""Languages of emails: catalogs, and values as a language spells them."""
