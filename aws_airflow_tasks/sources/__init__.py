"""A person's files with connections and variables, read: pure functions from text to what is wanted in the backend."""
