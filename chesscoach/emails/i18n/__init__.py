"""The languages of emails: catalogs and localizers."""
