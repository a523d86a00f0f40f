"""The alerts in MongoDB, and the run records that they follow from."""
