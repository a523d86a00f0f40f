"""The pages for operators: what runs, ran, is late or failed, and for whom; rendered here."""
