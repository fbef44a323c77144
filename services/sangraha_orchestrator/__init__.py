"""The worker pool: verifies, stores, catalogues and answers."""
