"""Change streams: where records come from, what their bytes mean, and the changes that they tell."""
