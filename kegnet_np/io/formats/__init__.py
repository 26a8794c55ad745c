"""Formats of other programs, a file each; `io.convert` picks one by a file's ending."""
