"""YAML as text with positions: what stands where, small edits of it, and values written so that they can be proven."""
