"""Tables of a person's own: read, described by a schema, encoded as numbers."""
