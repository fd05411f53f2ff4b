"""The program's own parts: settings, masking, time."""
