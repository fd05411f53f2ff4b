"""What is remembered of change streams: versions of rows, how far each stream was read, and what could not be."""
