"""Pure functions on any text: what may be shown of it, and the line of it that tells most, parts of hints."""
