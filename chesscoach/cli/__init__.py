"""What an operator asks and sets on the command line: a module for each kind of command."""
