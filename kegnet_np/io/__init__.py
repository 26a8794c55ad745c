"""Networks in and out of files."""
