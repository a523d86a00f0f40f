"""The collections of training, and what it reads of the application's."""
