"""The command line: each file parses arguments and calls one function."""
